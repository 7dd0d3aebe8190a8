-- SPDX-License-Identifier: MIT
--
-- The rows that every workload uses, the same as make_users in bench/floor_*.c.
local datetime = require("eloquent").datetime

local rows = {}

local CREATED <const> = datetime("2024-05-01T12:00:00Z")

--- The attributes of n users from number `first` on.
function rows.users(first, n)
    local users = {}
    for id = first, first + n - 1 do
        users[#users + 1] = {
            name = "User number " .. id,
            email = "user" .. id .. "@example.org",
            age = id % 90,
            score = id * 0.5,
            active = id % 2 == 0,
            bio = id % 3 == 0 and "Writes about the weather and the sea." or rows.null,
            created_at = CREATED,
        }
    end
    return users
end

rows.null = require("eloquent").null

return rows
