-- SPDX-License-Identifier: MIT
--
-- How far the work is, on standard error: one line that is written over again on a
-- terminal, now and then a line elsewhere.
local numbers = require("numbers")

---@class Progress
local Progress = {}
Progress.__index = Progress

-- Elsewhere: a line after so many packages.
local STEP <const> = 10000

--- Begins a report of progress; ended by `progress:done()`, or by leaving the scope of a
--- `local progress <close>`.
---@return Progress
function Progress.new()
    return setmetatable({
        terminal = os.execute("test -t 2") == true,
        next_line = STEP,
        open = false,
    }, Progress)
end

--- Says how many packages are read.
---@param packages integer
---@param part number|nil  of the whole index, from 0 to 1
function Progress:update(packages, part)
    local text = numbers.count(packages, "package") .. " read"
    if part then
        text = text .. (" (%d %%)"):format(part * 100 // 1)
    end
    if self.terminal then
        io.stderr:write("\r", text, "\27[K")
        self.open = true
    elseif packages >= self.next_line then
        io.stderr:write(text, "\n")
        self.next_line = packages - packages % STEP + STEP
    end
end

--- Takes the line away from the terminal, so that other text can follow.
function Progress:done()
    if self.open then
        io.stderr:write("\r\27[K")
        self.open = false
    end
end

Progress.__close = Progress.done

return Progress
