-- SPDX-License-Identifier: MIT
-- Terminal verbs that write new rows: insert, insertOrIgnore, insertGetId, upsert. How rows go out is insertion.lua.
local errors = require("eloquent.core.errors")
local builder_sets = require("eloquent.query.sets")
local faults = require("eloquent.support.later")("eloquent.query.faults")
local fields = require("eloquent.query.fields")
local node = require("eloquent.query.node")
local null = require("eloquent.core.null")

local misuse = fields.misuse

return function(Query, builder)
    local prepare = builder.prepare
    local insertion = require("eloquent.query.insertion")(builder)
    local as_list, new_job, write = insertion.as_list, insertion.new_job, insertion.write
    local check_column, own_values = insertion.check_column, insertion.own_values
    local survey, values_of = insertion.survey, insertion.values_of


    -- insert({ ... }, { ... }) would write the first of them only.
    local function one_list(verb, extra)
        if extra ~= nil then
            misuse("%s takes one row or one list of rows, got two arguments; put the rows into a table: "
                .. "{ { ... }, { ... } }", verb)
        end
    end

    --- Writes one row or a list of rows (any number, in one transaction); returns how many. A column that a row
    --- leaves out gets its default. Timestamps and client-made keys of the model are filled in.
    ---
    ---     User:insert{ { name = "Ada" }, { name = "Grace", bio = eloquent.null } }
    ---@param rows table|table[]
    ---@return integer rows
    function Query:insert(rows, extra)
        one_list("insert", extra)
        rows = as_list(rows, "insert")
        return #rows == 0 and 0 or write(self, new_job(), rows, "insert")
    end

    --- Like insert, but leaves out rows whose unique columns are in the table already. Other mistakes still raise.
    ---
    ---     Tag:insertOrIgnore{ { name = "lua" }, { name = "c" } }
    ---@param rows table|table[]
    ---@return integer rows  how many were new
    function Query:insertOrIgnore(rows, extra)
        one_list("insertOrIgnore", extra)
        rows = as_list(rows, "insertOrIgnore")
        if #rows == 0 then
            return 0
        end
        local job = new_job()
        local same
        job.conflict_key = "ignore"
        function job.prepare(columns)
            same = columns[1] or (self._node.root.model and self._node.root.model._key)
        end
        function job.conflict()
            return { same = same }
        end
        function job.ignores()
            return true
        end
        return write(self, job, rows, "insertOrIgnore")
    end

    local function no_row(name)
        errors.raise({
            kind = "check",
            table = name,
            message = ("insertGetId: the database took the insert and wrote no row into '%s'; a trigger or rule "
                .. "of the table has kept it out"):format(name),
        })
    end

    local function insert_get_id(self, row, key)
        local root = self._node.root
        key = root.model and builder.key_of(self, "insertGetId") or key or "id"
        local made = own_values(root.model, true)
        if self:_connection().driver == "mongo" then
            require("eloquent.mongo.rows").making(self:_connection(), root, made):check({ row }, 1)
            key = root.model and key or "_id"
        end
        local columns = survey(root, { row }, 0, made, "insertGetId")
        local args = values_of({ row }, 1, 1, columns, made, {})
        local names = table.concat(columns, "\0")
        local to = node.peek(root, "insertGetId/" .. key, names)
            or node.extend(root, "insertGetId/" .. key, names,
                { clause = "action", verb = "insert", columns = columns, rows = 1, returning = key }, #args)
        local connection = self:_connection()
        local core, plan, values = prepare(to, args, connection)
        if connection:query_grammar().returning then
            local written = core:first(plan, table.unpack(values)) or no_row(root.table)
            return written[key]
        end
        local count, last = core:execute(plan, values)
        if count == 0 and not connection:dialect():writes_unseen(connection, root.table) then
            no_row(root.table)
        end
        for i, name in ipairs(columns) do
            if name == key then
                return args[i]
            end
        end
        return last
    end

    --- Writes one row and returns its primary key.
    ---
    ---     local id = User:insertGetId{ name = "Ada" }
    ---@param row table
    ---@param key string|nil  name of the key, for tables without a model; "id" when left out
    function Query:insertGetId(row, key)
        if type(row) ~= "table" or row[1] ~= nil then
            return misuse("insertGetId expects one row as a table of columns")
        end
        local ok, result = pcall(insert_get_id, self, row, key)
        if ok then
            return result
        end
        return error(faults.named(result, { row }, self._node.root, self:_connection(), {}), 0)
    end

    local function unique_columns(root, unique)
        unique = type(unique) == "string" and { unique } or unique
        if type(unique) ~= "table" or #unique == 0 then
            return misuse("upsert expects the columns that tell a row is there: upsert(rows, { 'email' })")
        end
        for _, name in ipairs(unique) do
            check_column(root, name, "upsert")
        end
        return unique
    end

    -- What an upsert writes when it isn't told: every column given but those that identify the row.
    local function all_but(columns, unique, model)
        local skip, names = {}, {}
        for _, name in ipairs(unique) do
            skip[name] = true
        end
        if model then
            skip[model._key or ""] = true
            skip[model._timestamps and model._timestamps.created or ""] = true
        end
        for _, name in ipairs(columns) do
            if not skip[name] then
                names[#names + 1] = name
            end
        end
        return names
    end

    local function fill_sets(sets, update, model)
        for _, name in ipairs(update) do
            sets:add_given(name)
        end
        local values = {}
        for name, value in pairs(update) do
            if type(name) == "string" then
                values[name] = value
            end
        end
        sets:add_all(values)
        local stamp = model and model._timestamps and model._timestamps.updated
        if stamp and sets.key ~= "" and not sets.named[stamp] then
            sets:add_given(stamp)
        end
    end

    -- A row without a column would set that of the row which is there to its default.
    local function check_given(rows, sets)
        local stamps = sets.query._node.root.model
        stamps = stamps and stamps._timestamps or {}
        for _, item in ipairs(sets.items) do
            local name = item.name
            for i = 1, item.how == "given" and name ~= stamps.updated and name ~= stamps.created and #rows or 0 do
                if rows[i][name] == nil then
                    misuse("upsert: row %d has no '%s', and a row that is there would lose its own; give every row "
                        .. "that column, or name the columns to update", i, name)
                end
            end
        end
    end

    -- A text that is the same for equal values of a column; nil for NULL, which equals nothing.
    local function text_of(shape, name, value)
        if value == nil or value == null then
            return nil
        end
        if shape then
            value = shape:normal(name, value)
        end
        if type(value) == "string" then
            return "s" .. value
        end
        return tostring(math.type(value) == "float" and math.tointeger(value) or value)
    end

    -- PostgreSQL updates no row twice in a statement; the others would keep the last of them.
    local function check_once(rows, unique, model)
        local shape, seen, parts = model and not model._open and model:_getShape() or nil, {}, {}
        for i = 1, #rows do
            local n = 0
            for k = 1, #unique do
                local text = text_of(shape, unique[k], rows[i][unique[k]])
                if not text then
                    break
                end
                n = k
                parts[k] = #text .. ":" .. text
            end
            local key = n == #unique and table.concat(parts, "", 1, n)
            if key and seen[key] then
                misuse("upsert: rows %d and %d have the same %s, so it is not said which one is to stay; give it once",
                    seen[key], i, "'" .. table.concat(unique, "', '") .. "'")
            end
            if key then
                seen[key] = i
            end
        end
    end

    --- Writes rows, and updates those that are there already; returns the number of rows. `unique` names the columns
    --- (with a unique index) that tell so, and no two rows may have the same; MySQL goes by any unique index instead.
    --- `update` lists the columns to write then (all when left out), and may give some a value or raw SQL; an empty
    --- one writes none.
    ---
    ---     User:upsert({ { email = "ada@example.org", name = "Ada" } }, { "email" }, { "name" })
    ---     Page:upsert(rows, "url", { hits = eloquent.raw("pages.hits + 1") })
    ---@param rows table|table[]
    ---@param unique string|string[]
    ---@param update table|nil
    ---@return integer rows
    function Query:upsert(rows, unique, update)
        rows = as_list(rows, "upsert")
        local root = self._node.root
        unique = unique_columns(root, unique)
        if update ~= nil and type(update) ~= "table" then
            return misuse("upsert: the columns to update are given as a table, got a %s", type(update))
        elseif #rows == 0 then
            return 0
        end
        local job, sets = new_job(), builder_sets.new(self, "upsert")
        function job.prepare(columns)
            fill_sets(sets, update or all_but(columns, unique, root.model), root.model)
            check_given(rows, sets)
            if #sets.items > 0 and #rows > 1 then
                check_once(rows, unique, root.model)
            end
            job.has_fixed = #sets.values > 0 -- which MongoDB writes in two steps
            job.conflict_key = "upsert\1" .. table.concat(unique, "\0") .. "\1" .. sets.key
            job.conflict_values = sets.values
        end
        function job.conflict(first)
            local items = {}
            for i, item in ipairs(sets:placed(first)) do
                items[i] = setmetatable({ first = item.first }, { __index = item })
            end
            return { unique = unique, sets = items, same = unique[1] }
        end
        function job.ignores()
            return #sets.items == 0
        end
        local affected = write(self, job, rows, "upsert")
        return #sets.items > 0 and #rows or affected
    end
end
