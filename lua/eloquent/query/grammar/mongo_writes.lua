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
    local function check_written(q, verb)
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
    end

    -- {====== Update, delete ======

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
        return cx:bind(first, text.part_of(q.model, name))
    end

    -- Raises for what no update can set.
    local function check_set(q, item)
        if item.how == "raw" then
            text.no_raw()
        elseif item.how == "sub" then
            text.unsupported("subqueries", "read the value first")
        end
        if conditions.is_key(q, paths.plain(item.name):match("^[^.]+")) then
            text.fixed_key(item.name)
        end
    end

    -- Assignments by their operators; without the sums for documents that have no value to add to.
    local function changes(cx, q, sets, with_sums)
        local set, inc = {}, {}
        for _, item in ipairs(sets) do
            local name = item.name
            if item.how == "value" then
                set[#set + 1] = { name, bind_set(cx, q, name, item.first) }
            elseif with_sums and item.how == "+" then
                inc[#inc + 1] = { name, cx:bind(item.first, param_of(q, name)) }
            elseif with_sums then
                local normal = param_of(q, name) and fields.normal(q.model, name)
                inc[#inc + 1] = { name, cx:bind_encoded(item.first, values.chain(normal, values.negative(name))) }
            end
        end
        return object({
            { "$inc", #inc > 0 and object(inc) or nil },
            { "$set", #set > 0 and object(set) or nil },
            { "$setOnInsert", #inc + #set == 0 and one(sets[1].name, "null") or nil }, -- changes nothing
        })
    end

    local function is_unique(model, name)
        local column = model and model._column[name]
        for _, index in ipairs(column and model._database.indexes or {}) do
            for _, each in ipairs(index.unique and index.columns or {}) do
                if each == name then
                    return true
                end
            end
        end
        return column and column.unique
    end

    -- The conditions that a sum has something to add to, and that it has not: NULL stays NULL. A field inside
    -- documents that is missing is made, as the server does.
    local function null_or_not(q, name)
        if not name then
            return nil
        elseif name:find(".", 1, true) or q.model and not q.model._column[name] then
            local is_null = one("$type", '"null"')
            return { { name, one("$not", is_null) } }, { { name, is_null } }
        end
        return { { name, one("$ne", "null") } }, { { name, "null" } }
    end

    --- Several documents are one statement to the server, and no transaction: those before one that it can't change
    --- stay changed. `may_stop` says that there can be such a one.
    function mongo.update(_, cx, q)
        check_written(q, "update")
        local sets, sum, may_stop, each = q.action.sets, nil, false, {}
        for _, item in ipairs(sets) do
            check_set(q, item)
            sum = (item.how == "+" or item.how == "-") and item.name or sum
            may_stop = may_stop or sum or item.name:find(".", 1, true) or is_unique(q.model, item.name)
        end
        local function add(with_sums, further)
            local filter = conditions.filter(cx, q, further)
            each[#each + 1] = object({ { "q", filter }, { "u", changes(cx, q, sets, with_sums) }, { "multi", "true" } })
        end
        local has_value, has_none = null_or_not(q, sum)
        add(true, has_value)
        if sum then
            add(false, has_none)
        end
        q.action.may_stop = may_stop and not conditions.is_single(q)
        return object({ { "update", string(q.table) }, { "updates", array(each) } })
    end

    function mongo.delete(_, cx, q)
        check_written(q, "delete")
        local each = object({ { "q", conditions.filter(cx, q) }, { "limit", "0" } })
        return object({ { "delete", string(q.table) }, { "deletes", array({ each }) } })
    end

    function mongo.truncate(_, _, q)
        return object({ { "delete", string(q.table) }, { "deletes", array({ '{"q":{},"limit":0}' }) } })
    end

    -- }======
    -- {====== Insert ======

    local function check_name(name)
        if name:find(".", 1, true) then
            misuse("'%s': a new document has no paths; give the document that holds the field as a table", name)
        end
        return paths.plain(name)
    end

    -- In models whose key is `id` a document's own key is the same value, which no row gives twice.
    local function check_columns(model, columns, is_upsert)
        for _, name in ipairs(columns) do
            if not is_upsert then
                check_name(name)
            end
            if name == "_id" and model and model._id_mode then
                misuse("%s: '%s' is the key, and '_id' has the same value by itself; give '%s' alone", model._name,
                    model._key, model._key)
            end
        end
    end

    -- The place of a value of a row; a key has to have one.
    local function one_of(cx, q, name, first)
        if conditions.is_key(q, name) then
            cx.encode = cx.encode or {}
            cx.encode[#cx.order + 1] = require("eloquent.mongo.rows").not_null(q.model, name)
        end
        return cx:bind(first, text.part_of(q.model, name))
    end

    local function document_of(cx, q, a, first)
        local list, own = {}, q.model and q.model._id_mode and q.model._key
        for i, name in ipairs(own and a.columns or {}) do
            list[1] = name == own and { "_id", one_of(cx, q, name, first + i - 1) } or list[1]
        end
        for i, name in ipairs(a.columns) do
            list[#list + 1] = { name, one_of(cx, q, name, first + i - 1) }
        end
        return object(list)
    end

    -- {====== Upsert ======

    local function has(list, name)
        for _, each in ipairs(list) do
            if each == name then
                return true
            end
        end
        return false
    end

    -- How the document of a row is found. A unique column that is NULL finds none, as in SQL; keys can't be NULL.
    local function found_by(cx, q, a, place)
        local list = {}
        for i, name in ipairs(a.conflict.unique) do
            if not place[name] then
                misuse("upsert: each row needs a value for '%s', by which it is found", name)
            end
            list[i] = conditions.any_key(cx, q, paths.plain(name), place[name])
            if not list[i] then
                local equal = one_of(cx, q, name, place[name])
                list[i] = { name, object({ { "$eq", equal }, { "$ne", "null" } }) }
            end
        end
        return object(list)
    end

    -- What is written to a document that is there.
    local function updated(cx, q, a, place)
        local list, names = {}, {}
        for _, item in ipairs(a.conflict.sets) do
            local name, is_given = paths.plain(item.name), item.how == "given"
            if not is_given and item.how ~= "value" then
                text.no_raw()
            end
            if not conditions.is_key(q, name:match("^[^.]+")) then
                names[name] = true
                list[#list + 1] = { name, bind_set(cx, q, name, is_given and place[name] or item.first) }
            elseif not is_given or not has(a.conflict.unique, name) then
                text.fixed_key(name)
            end
        end
        return #list > 0 and object(list) or nil, names
    end

    -- What a new document has besides: all that isn't set anyway.
    local function only_new(cx, q, a, place, set)
        local list = {}
        local key = q.model and q.model._id_mode and q.model._key
        if key and place[key] and not place._id then
            list[1] = { "_id", one_of(cx, q, key, place[key]) }
        end
        for _, name in ipairs(a.columns) do
            if not set[name] then
                list[#list + 1] = { check_name(name), one_of(cx, q, name, place[name]) }
            end
        end
        return #list > 0 and object(list) or nil
    end

    -- One row of an upsert: one update where what it sets is the row's own, else one for a document that is there
    -- and one that makes it where it isn't.
    local function add_upsert(cx, q, a, first, list)
        local place, has_fixed = {}, false
        for i, name in ipairs(a.columns) do
            place[name] = first + i - 1
        end
        for _, item in ipairs(a.conflict.sets) do
            has_fixed = has_fixed or item.how ~= "given"
        end
        local filter = found_by(cx, q, a, place)
        local set, names = updated(cx, q, a, place)
        if has_fixed then
            list[#list + 1] = object({ { "q", filter }, { "u", one("$set", set) } })
            filter, set, names = found_by(cx, q, a, place), nil, {}
        end
        local update = object({ { "$set", set }, { "$setOnInsert", only_new(cx, q, a, place, names) } })
        list[#list + 1] = object({ { "q", filter }, { "u", update }, { "upsert", "true" } })
    end

    -- }======

    function mongo.insert(_, cx, q)
        local a, list = q.action, {}
        local is_upsert = a.conflict and a.conflict.unique
        check_columns(q.model, a.columns, is_upsert)
        for row = 1, a.rows do
            local first = a.first + (row - 1) * #a.columns
            if is_upsert then
                add_upsert(cx, q, a, first, list)
            else
                list[row] = document_of(cx, q, a, first)
            end
        end
        if not is_upsert then
            return object({ { "insert", string(q.table) }, { "documents", array(list) } })
        end
        a.counts_new = #a.conflict.sets == 0 -- the number of what was found and made together says nothing
        return object({
            { "update", string(q.table) },
            { "updates", array(list) },
            { "$fields", a.counts_new and text.strings({ "upserted" }) or nil },
        })
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
        check_columns(root.model, columns)
        return object({ { "insert", string(root.table) }, { "$fields", text.fields(root.model, columns) } })
    end

    -- }======
end
