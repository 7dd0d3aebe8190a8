-- SPDX-License-Identifier: MIT
--
-- Numbers for people.

local numbers = {}

--- 63440 -> "63,440"
---@param n integer
---@return string
function numbers.grouped(n)
    local text = ("%d"):format(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
    return (text:gsub("^,", ""))
end

local units <const> = { "KiB", "MiB", "GiB", "TiB" }

--- 2048 -> "2.0 MiB"
---@param kib number
---@return string
function numbers.size(kib)
    local unit = 1
    while kib >= 1024 and units[unit + 1] do
        kib, unit = kib / 1024, unit + 1
    end
    return (unit == 1 and "%d %s" or "%.1f %s"):format(kib, units[unit])
end

--- numbers.count(2, "row") -> "2 rows"
---@param n integer
---@param noun string
---@return string
function numbers.count(n, noun)
    return numbers.grouped(n) .. " " .. noun .. (n == 1 and "" or "s")
end

return numbers
