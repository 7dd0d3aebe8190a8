-- SPDX-License-Identifier: MIT
-- Rows on their way into a table, in one transaction and in the order given: many that are alike by the core's bulk
-- path, others in statements of as many as fit.
local errors = require("eloquent.core.errors")
local datetime = require("eloquent.core.datetime")
local builder_sets = require("eloquent.query.sets")
local faults = require("eloquent.support.later")("eloquent.query.faults")
local fields = require("eloquent.query.fields")
local node = require("eloquent.query.node")

local misuse = fields.misuse

-- Beyond this a longer statement gains nothing.
local MOST_ROWS = 1000

-- Fewer rows with the same columns, one after the other, are not worth the bulk path.
local BULK_ROWS = 50

--- What the verbs that insert share.
return function(builder)
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
            return require("eloquent.mongo.rows").atomically(connection, fn, true)
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
        local making = job.making
        return atomically(connection, function()
            if making and making:stays() then
                survey(q._node.root, rows, 0, made, verb)
                making:check(rows, 1)
            end
            local done = write_alike_in_bulk(q._node.root, job, rows, verb, made, connection)
            if done < #rows then
                if making then
                    making:check(rows, done + 1)
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

    return {
        as_list = as_list,
        check_column = check_column,
        new_job = new_job,
        own_values = own_values,
        survey = survey,
        values_of = values_of,
        write = write,
    }
end
