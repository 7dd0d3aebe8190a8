-- SPDX-License-Identifier: MIT
--
-- Modules that only errors or rare paths need: a stand-in that loads the module when it is
-- first used. Each module left unloaded is time saved at every start of a script.

--- A stand-in for the module; for those that return a table or a function.
---
---     local nearest = later("eloquent.support.nearest")
---@param name string
---@return any
return function(name)
    return setmetatable({}, {
        __index = function(self, key)
            local module = require(name)
            setmetatable(self, { __index = module })
            return module[key]
        end,
        __call = function(_, ...)
            return require(name)(...)
        end,
    })
end
