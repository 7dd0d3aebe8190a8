-- SPDX-License-Identifier: MIT
-- Terminal verbs that write new rows: insert, insertOrIgnore, insertGetId, upsert. Rows go out in one transaction,
-- in the order given: many that are alike by the core's bulk path, others in statements of as many as fit.
local errors = require("eloquent.core.errors")
local builder_sets = require("eloquent.query.sets")
local datetime = require("eloquent.core.datetime")
local faults = require("eloquent.support.later")("eloquent.query.faults")
local fields = require("eloquent.query.fields")
local node = require("eloquent.query.node")
local null = require("eloquent.core.null")

local misuse = fields.misuse

-- Beyond this a longer statement gains nothing.
local MOST_ROWS = 1000

-- Fewer rows with the same columns, one after the other, are not worth the bulk path.
local BULK_ROWS = 50

return function(Query, builder)
    local prepare = builder.prepare

    -- {====== The rows ======

    local function as_list(rows, verb)
        if type(rows) ~= "table" or getmetatable(rows) ~= nil and rows[1] == nil then
            return misuse("%s expects a row or a list of rows as plain tables, got a %s", verb, type(rows))
        end
        if rows[1] == nil and type(next(rows)) == "string" then
            return { rows }
        end
        fields.check_list(rows, verb)
        return rows
    end

    local makers = {
        uuid = function()
            return require("eloquent.core.uid").uuid7()
        end,
        ulid = function()
            return require("eloquent.core.uid").ulid()
        end,
    }

    -- Values for columns that a row doesn't name: functions that make keys, and timestamps.
    local function own_values(model, with_stamps)
        local made = {}
        if not model then
            return made
        end
        for _, column in ipairs(model._columns) do
            if column.auto then
                made[column.name] = makers[column.type] or makers.uuid
            end
        end
        if model._timestamps and with_stamps then
            local now = datetime.now()
            for _, name in pairs(model._timestamps) do
                if type(name) == "string" then
                    made[name] = now
                end
            end
        end
        return made
    end

    local function check_column(root, name, verb)
        fields.identifier(name, verb)
        if root.model and not root.model._column[name] then
            fields.unknown(root.model, name)
        end
    end

    --- The columns that the rows after `done` name between them; `alike` when every row has a value for each.
    local function survey(root, rows, done, made, verb)
        local known, count, alike = {}, 0, true
        for i = done + 1, #rows do
            local row, filled = rows[i], 0
            if type(row) ~= "table" then
                return misuse("%s: row %d is a %s; rows are tables of columns", verb, i, type(row))
            end
            for name in next, row do
                if not known[name] then
                    check_column(root, name, verb)
                    known[name], count = true, count + 1
                    alike = alike and i == done + 1
                end
                filled = filled + 1
            end
            alike = alike and filled == count
        end
        for name in next, made do -- a row without it gets it all the same
            known[name] = true
        end
        return builder_sets.names(root, known, verb), alike
    end

    -- }======
    -- {====== Statements ======

    ---@class eloquent.Inserting
    ---@field columns string[]
    ---@field conflict fun(first: integer): table|nil  what to do about rows that are there already
    ---@field conflict_key string
    ---@field conflict_values any[]
    ---@field ignores fun(): boolean  whether rows that are there are left alone
    ---@field has_fixed boolean|nil  an update that isn't the row's own values
    ---@field making eloquent.MongoMaking|nil  what the server doesn't do for rows on their way
    ---@field from integer|nil  the rows of the statement that runs
    ---@field to integer|nil

    -- The node of a statement of `n` rows; the text of a batch that comes once is not kept.
    local function statement_of(root, job, columns, n, absent, kept)
        local key = kept and table.concat(columns, "\0") .. "\1" .. n .. "\1" .. job.conflict_key
        local to = key and node.peek(root, "insert", key)
        if to then
            return to
        end
        local c = { clause = "action", verb = "insert", columns = columns, rows = n, absent = absent }
        local values = n * #columns
        for row in pairs(absent or {}) do
            for _ in pairs(absent[row]) do
                values = values - 1
            end
        end
        c.conflict = job.conflict and job.conflict(values + 1)
        c.once = not kept and n > 1 or nil
        local width = values + #job.conflict_values
        return kept and node.extend(root, "insert", key, c, width) or node.loose(root, c, width)
    end

    -- The values of rows from..to, and which of them are absent (nil: none).
    local function values_of(rows, from, to, columns, made, extra)
        local args, n, absent = {}, 0, nil
        for i = from, to do
            local row = rows[i]
            for k = 1, #columns do
                local name = columns[k]
                local value = row[name]
                if value == nil then
                    value = made[name]
                    if type(value) == "function" then
                        value = value()
                    end
                end
                if value ~= nil then
                    n = n + 1
                    args[n] = value
                else
                    absent = absent or {}
                    local here = i - from + 1
                    absent[here] = absent[here] or {}
                    absent[here][name] = true
                end
            end
        end
        for i = 1, #extra do
            args[n + i] = extra[i]
        end
        return args, absent
    end

    -- Runs a statement of `n` rows, the first of which is `from`.
    local function run(q, job, to, args, from, n)
        local core, plan, values = prepare(to, args, q:_connection())
        job.from, job.to = from, from + n - 1
        local count = to.c.counts_new and #(core:scalar(plan, values) or {}) or core:execute(plan, values)
        job.from, job.to = nil, nil
        return count
    end

    -- Writes rows from..to, which all have these columns.
    local function write_alike(q, job, rows, from, to, columns, made, grammar)
        local root, total = q._node.root, 0
        local width = grammar.row_width and grammar.row_width(#columns) or #columns
        local room = math.min(MOST_ROWS, width > 0 and (grammar.max_params - #job.conflict_values) // width or 1)
        if room < 1 then
            return misuse("a row of %d columns is too wide for %s", #columns, grammar.title)
        end
        while from <= to do
            local n = grammar:batch(to - from + 1, room)
            n = #columns > 0 and n or 1
            local args = values_of(rows, from, from + n - 1, columns, made, job.conflict_values)
            local kept = n == 1 or n == room or grammar.name == "sqlite"
            total = total + run(q, job, statement_of(root, job, columns, n, nil, kept), args, from, n)
            from = from + n
        end
        return total
    end

    -- Rows with different columns, where a statement can say DEFAULT.
    local function write_with_defaults(q, job, rows, done, columns, made, grammar)
        local root, total = q._node.root, 0
        local room = math.max(1, math.min(MOST_ROWS, (grammar.max_params - #job.conflict_values) // #columns))
        for from = done + 1, #rows, room do
            local n = math.min(room, #rows - from + 1)
            local args, absent = values_of(rows, from, from + n - 1, columns, made, job.conflict_values)
            total = total + run(q, job, statement_of(root, job, columns, n, absent, false), args, from, n)
        end
        return total
    end

    -- The columns of all that a row has a value for, and their key.
    local function columns_of(row, columns, made)
        local names = {}
        for _, name in ipairs(columns) do
            if row[name] ~= nil or made[name] ~= nil then
                names[#names + 1] = name
            end
        end
        return names, table.concat(names, "\0")
    end

    -- Rows with different columns, where it can't: neighbours that are alike go together, so that the order stays.
    local function write_runs(q, job, rows, done, columns, made, grammar)
        local total, from = 0, done + 1
        local names, key = columns_of(rows[from], columns, made)
        for i = from + 1, #rows + 1 do
            local next_names, next_key
            if rows[i] then
                next_names, next_key = columns_of(rows[i], columns, made)
            end
            if next_key ~= key then
                total = total + write_alike(q, job, rows, from, i - 1, names, made, grammar)
                from, names, key = i, next_names, next_key
            end
        end
        return total
    end

    -- In one transaction, where the connection can.
    local function atomically(connection, fn)
        if connection.driver == "mongo" then
            return require("eloquent.mongo.rows").atomically(connection, fn)
        end
        return connection:transaction(fn)
    end

    -- Writes the rows after `done` with statements.
    local function write_rows(q, job, rows, done, verb, made, connection)
        local root, grammar = q._node.root, connection:query_grammar()
        local columns, alike = survey(root, rows, done, made, verb)
        if job.prepare then
            local named = grammar.documents and require("eloquent.mongo.rows").named(columns, rows, root.model)
            job.prepare(named or columns)
        end
        if grammar.documents and job.conflict_key == "ignore" then
            return require("eloquent.mongo.rows").insert_new(connection, root, rows, function(i)
                write_alike(q, job, rows, i, i, columns_of(rows[i], columns, made), made, grammar)
            end)
        end
        local function all()
            if alike then
                return write_alike(q, job, rows, done + 1, #rows, columns, made, grammar)
            elseif grammar.defaults_in_values then
                return write_with_defaults(q, job, rows, done, columns, made, grammar)
            end
            return write_runs(q, job, rows, done, columns, made, grammar)
        end
        local function counted()
            return job.ignores() and grammar:count_new(connection, all, #rows - done) or all()
        end
        local is_one_step = #rows - done == 1 and not (grammar.documents and job.has_fixed)
        return is_one_step and counted() or atomically(connection, counted)
    end

    -- }======
    -- {====== Many rows ======

    -- The table and the columns of row `i`, as the statement names them, and what rows without one of them get.
    local function bulk_target(root, grammar, rows, i, made, verb)
        if type(rows[i]) ~= "table" then
            return misuse("%s: row %d is a %s; rows are tables of columns", verb, i, type(rows[i]))
        end
        local columns = survey(root, { rows[i] }, 0, made, verb)
        local quoted, fills, into = {}, {}, nil
        for k, name in ipairs(columns) do
            quoted[k], fills[k] = grammar:quote(name), made[name]
        end
        if grammar.bulk_into then
            into = grammar:bulk_into(root, columns)
        end
        return into or ("%s (%s)"):format(grammar:name_of(root.table), table.concat(quoted, ", ")), columns, fills
    end

    -- Writes runs of rows that have the same columns, as long as they are worth it; returns how many rows that were.
    local function write_alike_in_bulk(root, job, rows, verb, made, connection)
        local grammar, core = connection:query_grammar(), connection:core()
        local shape = root.model and root.model:_getShape() or nil
        local from = 1
        repeat
            local into, columns, fills = bulk_target(root, grammar, rows, from, made, verb)
            local rules = job.making and job.making:rules(rows, from, columns) or {}
            local count = #columns > 0
                and core:bulk(shape, into, columns, fills, rules, rows, from, grammar.bulk_rows) or 0
            from = from + count
        until count < BULK_ROWS or from > #rows
        return from - 1
    end

    local function write_bulk(q, job, rows, verb, made, connection)
        return atomically(connection, function()
            local done = write_alike_in_bulk(q._node.root, job, rows, verb, made, connection)
            if done < #rows then
                if job.making then
                    job.making:check(rows, done + 1)
                end
                done = done + write_rows(q, job, rows, done, verb, made, connection)
            end
            return done
        end)
    end

    local function write_statements(q, job, rows, verb, made, connection)
        if job.making then
            job.making:check(rows, 1)
        end
        return write_rows(q, job, rows, 0, verb, made, connection)
    end

    local function write_somehow(q, job, rows, verb, connection)
        local made = own_values(q._node.root.model, true)
        if connection.driver == "mongo" then
            job.making = require("eloquent.mongo.rows").making(connection, q._node.root, made)
        end
        if job.conflict or #rows < BULK_ROWS then
            return write_statements(q, job, rows, verb, made, connection)
        end
        local ok, result = pcall(write_bulk, q, job, rows, verb, made, connection)
        if ok then
            return result
        elseif not errors.is(result, "unsupported") then
            error(result, 0)
        end
        return write_statements(q, job, rows, verb, made, connection) -- a view, a table with rules
    end

    local function write(q, job, rows, verb)
        local connection = q:_connection()
        local ok, result = pcall(write_somehow, q, job, rows, verb, connection)
        return ok and result or error(faults.named(result, rows, q._node.root, connection, job), 0)
    end

    local function new_job()
        local function no()
            return false
        end
        return { conflict_key = "", conflict_values = {}, ignores = no }
    end

    -- }======
    -- {====== Verbs ======

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
            return core:scalar(plan, values) or no_row(root.table)
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
        return ok and result or error(faults.named(result, { row }, self._node.root, self:_connection(), {}), 0)
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

    -- }======
end
