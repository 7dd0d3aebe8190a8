-- SPDX-License-Identifier: MIT
-- Commands of MongoDB that write: update, delete, insert, upsert. What the program itself makes for a row, its key
-- above all, is eloquent.mongo.rows.
local conditions = require("eloquent.query.grammar.mongo_conditions")
local fields = require("eloquent.query.fields")
local paths = require("eloquent.query.grammar.mongo_paths")
local text = require("eloquent.query.grammar.mongo_text")
local values = require("eloquent.query.grammar.mongo_values")

local misuse = fields.misuse
local object, one, array, string = text.object, text.one, text.array, text.string

return function(mongo)
    -- A write goes to all documents of a filter; it knows no order and no limit.
    local function written(cx, q, verb)
        for clause, name in pairs({ groups = "groupBy", havings = "having", unions = "union" }) do
            if #q[clause] > 0 then
                misuse("%s writes documents of one collection: it can't be combined with %s", verb, name)
            end
        end
        if #q.joins > 0 then
            text.unsupported("joins", "read the keys first (pluck) and use whereIn")
        elseif q.limit or q.offset then
            text.unsupported(verb .. " with a limit", "read the keys first (pluck) and use whereIn")
        end
        return conditions.filter(cx, q)
    end

    -- The column that a value is checked by; nested fields have none.
    local function param_of(q, name)
        return q.model and q.model._column[name] and name or false
    end

    -- The place of a value that a column gets.
    local function bind_set(cx, q, name, first)
        local column = q.model and q.model._column[name]
        if column and column.required then
            cx.encode = cx.encode or {}
            cx.encode[#cx.order + 1] = require("eloquent.mongo.rows").not_null(q.model, name)
        end
        return cx:bind(first, param_of(q, name))
    end

    -- Assignments by their operators.
    local function changes(cx, q, sets)
        local set, inc = {}, {}
        for _, item in ipairs(sets) do
            paths.plain(item.name)
            if item.how == "raw" then
                text.no_raw()
            elseif item.how == "sub" then
                text.unsupported("subqueries", "read the value first")
            elseif item.how == "+" then
                inc[#inc + 1] = { item.name, cx:bind(item.first, param_of(q, item.name)) }
            elseif item.how == "-" then
                inc[#inc + 1] = { item.name, cx:bind_encoded(item.first, values.negative) }
            else
                set[#set + 1] = { item.name, bind_set(cx, q, item.name, item.first) }
            end
        end
        -- The order of the placeholders is that of the sets: sums come first (see sets.placed).
        return object({
            { "$inc", #inc > 0 and object(inc) or nil },
            { "$set", #set > 0 and object(set) or nil },
        })
    end

    function mongo.update(_, cx, q)
        local filter = written(cx, q, "update")
        local each = object({ { "q", filter }, { "u", changes(cx, q, q.action.sets) }, { "multi", "true" } })
        return object({ { "update", string(q.table) }, { "updates", array({ each }) } })
    end

    function mongo.delete(_, cx, q)
        local filter = written(cx, q, "delete")
        local each = object({ { "q", filter }, { "limit", "0" } })
        return object({ { "delete", string(q.table) }, { "deletes", array({ each }) } })
    end

    function mongo.truncate(_, _, q)
        return object({ { "delete", string(q.table) }, { "deletes", array({ '{"q":{},"limit":0}' }) } })
    end

    -- {====== Insert ======

    local function check_name(name)
        if name:find(".", 1, true) then
            misuse("'%s': a new document has no paths; give the document that holds the field as a table", name)
        end
        return paths.plain(name)
    end

    -- In models whose key is `id` a document's own key is the same value.
    local function add_own_key(q, a, list, placeholder_of)
        local model = q.model
        if not model or not model._id_mode then
            return
        end
        for i, name in ipairs(a.columns) do
            if name == "_id" then
                return
            elseif name == model._key then
                table.insert(list, 1, { "_id", placeholder_of(i, name) })
            end
        end
    end

    local function document_of(cx, q, a, first)
        local list = {}
        local function placeholder_of(i, name)
            return cx:bind(first + i - 1, param_of(q, name))
        end
        add_own_key(q, a, list, placeholder_of)
        for i, name in ipairs(a.columns) do
            list[#list + 1] = { check_name(name), placeholder_of(i, name) }
        end
        return object(list)
    end

    -- One document of an upsert: found by the unique columns, else made with all of them.
    local function upsert_of(cx, q, a, first)
        local place, filter, only_new, set = {}, {}, {}, {}
        for i, name in ipairs(a.columns) do
            place[name] = first + i - 1
        end
        local is_unique, is_set, given_key = {}, {}, nil
        for i, name in ipairs(a.conflict.unique) do
            if not place[name] then
                misuse("upsert: each row needs a value for '%s', by which it is found", name)
            end
            paths.plain(name)
            is_unique[name] = true
            local any_key = conditions.any_key(cx, q, name, place[name])
            filter[i] = any_key or { name, one("$eq", cx:bind(place[name], param_of(q, name))) }
            given_key = any_key and name or given_key
        end
        for i, item in ipairs(a.conflict.sets) do
            if item.how ~= "value" and item.how ~= "given" then
                text.no_raw()
            end
            is_set[paths.plain(item.name)] = true
            local from = item.how == "given" and place[item.name] or item.first
            set[i] = { item.name, bind_set(cx, q, item.name, from) }
        end
        local key = q.model and q.model._id_mode and q.model._key
        if key and place[key] and not place._id then
            only_new[1] = { "_id", cx:bind(place[key], key) }
        end
        if given_key then -- a filter with several forms of it doesn't say which is new
            only_new[#only_new + 1] = { given_key, cx:bind(place[given_key], param_of(q, given_key)) }
        end
        for _, name in ipairs(a.columns) do
            if not is_set[name] and not is_unique[name] then
                only_new[#only_new + 1] = { check_name(name), cx:bind(place[name], param_of(q, name)) }
            end
        end
        local update = object({
            { "$set", #set > 0 and object(set) or nil },
            { "$setOnInsert", #only_new > 0 and object(only_new) or nil },
        })
        return object({ { "q", object(filter) }, { "u", update }, { "upsert", "true" } })
    end

    function mongo.insert(_, cx, q)
        local a, list = q.action, {}
        local is_upsert = a.conflict and a.conflict.unique
        for row = 1, a.rows do
            local first = a.first + (row - 1) * #a.columns
            list[row] = is_upsert and upsert_of(cx, q, a, first) or document_of(cx, q, a, first)
        end
        if is_upsert then
            return object({ { "update", string(q.table) }, { "updates", array(list) } })
        end
        return object({ { "insert", string(q.table) }, { "documents", array(list) } })
    end

    --- Runs `write`, an upsert that leaves alone what is there.
    function mongo.count_new(_, _, write)
        return write()
    end

    --- Rows of the next statement when `left` are to be written and `room` fit into one.
    function mongo.batch(_, left, room)
        return left < room and left or room
    end

    --- What the core's bulk path writes into; a key that is not `_id` is both.
    function mongo.bulk_into(_, root, columns)
        local names = text.fields(root.model, columns)
        for _, name in ipairs(columns) do
            check_name(name)
            names = name == "_id" and text.strings(columns) or names
        end
        return object({ { "insert", string(root.table) }, { "$fields", names } })
    end

    -- }======
end
