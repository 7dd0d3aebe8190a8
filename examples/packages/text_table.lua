-- SPDX-License-Identifier: MIT
--
-- Rows as an aligned table of plain text.

local text_table = {}

local function width_of(text)
    return utf8.len(text) or #text
end

local function padded(text, width, right)
    local gap = (" "):rep(width - width_of(text))
    return right and gap .. text or text .. gap
end

--- The text of a table. A column whose title begins with ">" stands to the right.
---
---     text_table.format({ "name", ">packages" }, { { "libc6", "31,000" } })
---@param titles string[]
---@param rows string[][]
---@return string
function text_table.format(titles, rows)
    local columns, rules = {}, {}
    local all = { {}, rules }
    for i, title in ipairs(titles) do
        columns[i] = { right = title:sub(1, 1) == ">", width = 0 }
        all[1][i] = title:gsub("^>", "")
        rules[i] = ""
    end
    table.move(rows, 1, #rows, 3, all)
    for _, row in ipairs(all) do
        for i, column in ipairs(columns) do
            column.width = math.max(column.width, width_of(row[i]))
        end
    end
    for i, column in ipairs(columns) do
        rules[i] = ("-"):rep(column.width)
    end
    local lines = {}
    for n, row in ipairs(all) do
        local cells = {}
        for i, column in ipairs(columns) do
            cells[i] = padded(row[i], column.width, column.right)
        end
        lines[n] = table.concat(cells, "  "):gsub(" +$", "") .. "\n"
    end
    return table.concat(lines)
end

return text_table
