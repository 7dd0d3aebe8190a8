-- SPDX-License-Identifier: MIT
-- Softly deleted rows: which of them a query sees, and bringing them back. Hiding them is Query:_scopes.
local fields = require("eloquent.query.fields")
local null = require("eloquent.core.null")

local misuse = fields.misuse

return function(Query)
    local function soft_deletes(self, verb)
        local model = self._node.root.model
        local column = model and model._soft_deletes
        if not column then
            return misuse("%s is for models with soft deletes (softDeletes = true)", verb)
        end
        return column
    end

    --- Softly deleted rows are seen too.
    ---@return eloquent.Query self
    function Query:withTrashed()
        soft_deletes(self, "withTrashed")
        self._trashed = "with"
        return self
    end

    --- Only softly deleted rows are seen.
    ---@return eloquent.Query self
    function Query:onlyTrashed()
        soft_deletes(self, "onlyTrashed")
        self._trashed = "only"
        return self
    end

    --- Softly deleted rows are hidden, as they are when nothing is said.
    ---@return eloquent.Query self
    function Query:withoutTrashed()
        soft_deletes(self, "withoutTrashed")
        self._trashed = false
        return self
    end

    --- Brings back the softly deleted rows that match; returns their number.
    ---
    ---     User:where("id", 7):restore()
    ---@return integer rows
    function Query:restore()
        local column = soft_deletes(self, "restore")
        return self:clone():onlyTrashed():update({ [column] = null })
    end
end
