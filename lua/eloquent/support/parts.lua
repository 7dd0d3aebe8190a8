-- SPDX-License-Identifier: MIT
--
-- Tables whose fields come in parts that many scripts do without. Each part left unloaded is
-- time saved at every start of a script, and memory.

--- An `__index` that loads a part when one of its fields is asked for first.
---@param target table   which gets the fields, by `load`
---@param parts table<string, string>  the fields of each part by its name, each between two blanks
---@param load fun(part: string)
---@param otherwise? fun(_: table, name: any): any  for names that no part has
---@return fun(_: table, name: any): any
return function(target, parts, load, otherwise)
    return function(_, name)
        local word = type(name) == "string" and name:find("^[%w_]+$") and " " .. name .. " "
        for part, names in next, word and parts or {} do
            if names:find(word, 1, true) then
                load(part)
                return rawget(target, name)
            end
        end
        return otherwise and otherwise(nil, name)
    end
end
