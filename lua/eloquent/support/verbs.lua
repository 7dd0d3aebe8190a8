-- SPDX-License-Identifier: MIT
--
-- What happens when a script calls a verb that is not there: an error with the nearest one.
local later = require("eloquent.support.later")
local errors = require("eloquent.core.errors")
local nearest = later("eloquent.support.nearest")

local verbs = {}

--- An `__index` for the last table of a lookup. Names that begin with "_" are internal
--- fields, which may be absent.
---@param owner string  as messages name it: "a query"
---@param known table   its keys are the verbs
---@param others? string  more of them, between blanks
---@return fun(_: table, name: any): nil
function verbs.missing(owner, known, others)
    return function(_, name)
        if type(name) ~= "string" or name:byte() == 95 then
            return nil
        end
        local public = {}
        for verb in pairs(known) do
            if verb:byte() ~= 95 then
                public[verb] = true
            end
        end
        for verb in (others or ""):gmatch("%f[%S]%a+") do
            public[verb] = true
        end
        return errors.raise({
            kind = "misuse",
            message = ("%s has no verb '%s'%s"):format(owner, name, nearest.hint(name, public)),
        })
    end
end

return verbs
