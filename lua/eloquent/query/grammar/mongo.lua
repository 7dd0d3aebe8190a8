-- SPDX-License-Identifier: MIT
-- Commands of MongoDB: what the grammars beside it do with SQL. A query is a find, or an aggregate where its rows are
-- no documents of the collection. Conditions are in mongo_conditions, writes in mongo_writes.
local later = require("eloquent.support.later")
local conditions = later("eloquent.query.grammar.mongo_conditions")
local fields = require("eloquent.query.fields")
local paths = require("eloquent.query.grammar.mongo_paths")
local text = require("eloquent.query.grammar.mongo_text")

local misuse = fields.misuse
local object, one, array, string, strings = text.object, text.one, text.array, text.string, text.strings
local path_of = paths.of

local mongo = {
    name = "mongo",
    title = "MongoDB",
    documents = true,
    max_params = 65535,
    bulk_rows = 1000,
    defaults_in_values = false,
    returning = false,
}

function mongo.placeholder()
    return "?"
end

--- The most placeholders of a row with `n` columns: an upsert may name each in two updates, and what finds it twice.
function mongo.row_width(n)
    return 4 * n + 2
end

--- The name of a collection or a field, as it stands in messages.
function mongo.quote(_, name)
    return name
end
mongo.name_of = mongo.quote

--- Lists of more values of a kind travel as one value.
function mongo.spread()
    return 1000
end

-- {====== What is refused ======

local function refuse(q)
    if #q.joins > 0 then
        text.unsupported("joins", "read one collection, then the other with whereIn and the keys, or write a $lookup "
            .. "with aggregate{ ... }")
    elseif #q.unions > 0 then
        text.unsupported("union of queries", "read both and put their rows together, or write a $unionWith with "
            .. "aggregate{ ... }")
    elseif q.lock or q.wait then
        text.unsupported("row locks", "write inside eloquent.transaction, which fails with kind conflict when another "
            .. "one changed the document, or change it in one step with increment or update")
    end
end

-- }======
local function filter_of(cx, q)
    return #q.wheres > 0 and conditions.filter(cx, q) or "{}"
end

-- {====== Columns ======

-- One item of the select list as { name, path }.
local function selected(q, c, list)
    if c.kind == "sub" then
        return text.unsupported("subqueries", "read the values first, or write a $lookup with aggregate{ ... }")
    elseif c.kind == "raw" then
        return #q.groups == 0 and text.no_raw() or text.unsupported("SQL in select", "count and sum groups with "
            .. "aggregate{ { [\"$group\"] = { _id = \"$country\", n = { [\"$sum\"] = 1 } } } }")
    elseif c.field == "*" or c.field == (q.alias or q.table) .. ".*" then
        local columns = q.model and not q.model._open and q.model._columns
        if not columns and #q.columns > 1 then
            text.unsupported('"*" beside other fields', "select nothing for whole documents, or name each field")
        end
        for _, column in ipairs(columns or {}) do
            list[#list + 1] = { column.name, column.name }
        end
        return
    end
    local path = path_of(q, c.field)
    list[#list + 1] = { c.alias and paths.plain(c.alias) or path, path }
    if q.model and q.model._id_mode and path == q.model._key and not c.alias and #q.groups == 0 then
        list[#list + 1] = { "_id", "_id" } -- by which its record is saved
    end
end

-- The columns of the rows as { name, path } without repetitions; nil: whole documents.
local function columns_of(q)
    local list = {}
    if not q.columns then
        if not q.model or q.model._open then
            return nil
        end
        for i, column in ipairs(q.model._columns) do
            list[i] = { column.name, column.name }
        end
        return list, true
    end
    for _, c in ipairs(q.columns) do
        selected(q, c, list)
    end
    local kept, seen = {}, {}
    for _, item in ipairs(list) do
        if not seen[item[1]] then
            seen[item[1]], kept[#kept + 1] = true, item
        end
    end
    return #kept > 0 and kept or nil
end

local function names_of(q, columns)
    local names = {}
    for i, item in ipairs(columns) do
        names[i] = item[1]
    end
    return text.fields(q.model, names)
end

-- What a find sends of each document: paths inside another one of the list come with that, and lists whole.
local function projection_of(columns)
    local chosen, list, sent, added = {}, {}, {}, {}
    for i, item in ipairs(columns) do
        sent[i] = item[2]:match("^(.-)%.%d+%f[.\0]") or item[2]
        chosen[sent[i]] = true
    end
    local function is_covered(path)
        local head = path:match("^(.+)%.[^.]+$")
        return head and (chosen[head] or is_covered(head))
    end
    if not chosen._id then
        list[1] = { "_id", "0" }
    end
    for _, path in ipairs(sent) do
        if not added[path] and not is_covered(path) then
            list[#list + 1] = { path, "1" }
            added[path] = true
        end
    end
    return object(list)
end

local function has_alias(columns)
    for _, item in ipairs(columns or {}) do
        if item[1] ~= item[2] then
            return true
        end
    end
    return false
end

-- }======
-- {====== Order and limits ======

local function sort_of(q, known)
    local list, seen = {}, {}
    for _, c in ipairs(q.orders) do
        if c.raw then
            return text.no_raw()
        elseif c.sub then
            return text.unsupported("subqueries", "order by a field of the document")
        elseif not c.random then
            local path = known and known[c.field] and c.field or path_of(q, c.field)
            if not seen[path] then
                seen[path] = true
                list[#list + 1] = { path, c.direction == "desc" and "-1" or "1" }
            end
        end
    end
    return #list > 0 and object(list) or nil
end

local function is_random(q)
    for _, c in ipairs(q.orders) do
        if c.random then
            return true
        end
    end
    return false
end

-- A limit of 0 means none to the server.
local function is_empty(q)
    return q.limit and q.limit.literal == 0
end

-- }======
-- {====== Pipelines ======

local EVERY <const> = "2147483647"

local function add(stages, name, value)
    stages[#stages + 1] = one(name, value)
end

-- Makes one document of all that agree in these columns.
local function add_group(stages, q, columns)
    local key, back, has_id = {}, {}, false
    for i, item in ipairs(columns) do
        has_id = has_id or item[1] == "_id"
        key[i] = { "k" .. i, one("$ifNull", array({ text.value(q.model, item[2]), "null" })) }
        back[i] = { item[1], string("$_id.k" .. i) }
    end
    add(stages, "$group", one("_id", object(key)))
    back[#back + 1] = not has_id and { "_id", "0" } or nil
    add(stages, "$project", object(back))
end

-- The columns of groups: those of groupBy, and no others can be chosen.
local function group_columns(q, columns)
    local grouped, list = {}, {}
    for i, c in ipairs(q.groups) do
        local path = path_of(q, c.field)
        grouped[path], list[i] = true, { path, path }
    end
    for _, item in ipairs(q.columns and columns or {}) do
        if not grouped[item[2]] then
            misuse("'%s' is none of the columns of groupBy; sums and counts of groups are written with "
                .. "aggregate{ { [\"$group\"] = ... } }", item[2])
        end
    end
    return q.columns and columns or list
end

local function add_limits(stages, cx, q)
    if q.offset then
        add(stages, "$skip", cx:bind(q.offset.first))
    end
    if q.limit and not is_empty(q) then
        add(stages, "$limit", cx:bind(q.limit.first))
    elseif q.one then
        add(stages, "$limit", "1")
    end
end

local function add_order(stages, cx, q, known)
    if is_random(q) then
        add(stages, "$sample", one("size", EVERY))
    else
        local sort = sort_of(q, known)
        if sort then
            add(stages, "$sort", sort)
        end
    end
    add_limits(stages, cx, q)
end

local function having_of(cx, q)
    local list = {}
    for i, c in ipairs(q.havings) do
        list[i] = setmetatable({ clause = "wheres" }, { __index = c })
    end
    return conditions.object(conditions.list(cx, q, list))
end

local function names_set(columns)
    local set = {}
    for _, item in ipairs(columns or {}) do
        set[item[1]] = true
    end
    return set
end

-- The stages of a query up to its rows, and its columns.
local function stages_of(cx, q, columns)
    local stages = {}
    local filter = is_empty(q) and one("$expr", "false") or filter_of(cx, q)
    if filter ~= "{}" then
        add(stages, "$match", filter)
    end
    if #q.groups > 0 then
        columns = group_columns(q, columns)
        add_group(stages, q, columns)
    elseif q.distinct and columns then
        add_group(stages, q, columns)
    end
    if #q.havings > 0 then
        if #q.groups == 0 then
            misuse("having is a condition on groups: add groupBy, or use where")
        end
        add(stages, "$match", having_of(cx, q))
    end
    local grouped = #q.groups > 0 or q.distinct and columns
    add_order(stages, cx, q, grouped and names_set(columns))
    if not grouped and has_alias(columns) then
        local list = {}
        for i, item in ipairs(columns) do
            list[i] = { item[1], item[1] == item[2] and "1" or text.value(q.model, item[2]) }
        end
        if not names_set(columns)._id then
            list[#list + 1] = { "_id", "0" }
        end
        add(stages, "$project", object(list))
    end
    return stages, columns
end

local function aggregate(q, stages, names)
    return object({
        { "aggregate", string(q.table) },
        { "pipeline", array(stages) },
        { "cursor", "{}" },
        { "$fields", names },
    })
end

-- }======
-- {====== Reads ======

local function is_grouped(q)
    return q.distinct or #q.groups > 0 or #q.havings > 0
end

--- A whole read.
function mongo.select(_, cx, q)
    refuse(q)
    local columns, all = columns_of(q)
    if is_grouped(q) or is_random(q) or has_alias(columns) then
        local stages
        stages, columns = stages_of(cx, q, columns)
        return aggregate(q, stages, columns and names_of(q, columns))
    end
    local filter = is_empty(q) and one("$expr", "false") or filter_of(cx, q)
    local limited = q.limit and not is_empty(q)
    return object({
        { "find", string(q.table) },
        { "filter", filter ~= "{}" and filter or nil },
        { "projection", columns and not all and projection_of(columns) or nil },
        { "sort", sort_of(q) },
        { "skip", q.offset and cx:bind(q.offset.first) or nil },
        { "limit", limited and cx:bind(q.limit.first) or q.one and "1" or nil },
        { "singleBatch", q.one and "true" or nil },
        { "$fields", columns and names_of(q, columns) or nil },
    })
end

--- A read of one row.
function mongo:first(cx, q)
    q.one = true
    return self:select(cx, q)
end

--- One row when the query has rows.
function mongo.exists(_, cx, q)
    refuse(q)
    q.orders = {}
    if is_grouped(q) then
        local stages, columns = stages_of(cx, q, columns_of(q))
        add(stages, "$limit", "1")
        add(stages, "$project", object({ { "found", one("$literal", "1") } }))
        return aggregate(q, stages, columns and strings({ "found" }))
    end
    local filter = is_empty(q) and one("$expr", "false") or filter_of(cx, q)
    return object({
        { "find", string(q.table) },
        { "filter", filter ~= "{}" and filter or nil },
        { "projection", one("_id", "1") },
        { "skip", q.offset and cx:bind(q.offset.first) or nil },
        { "limit", "1" },
        { "singleBatch", "true" },
        { "$fields", strings({ "_id" }) },
    })
end

--- A name for a column of the result that is none of the model's.
function mongo.free_name(model, name)
    while model and model._column[name] do
        name = name .. "_"
    end
    return name
end

-- One function over a path, as an accumulator of $group.
local function accumulator(fn, value)
    if fn ~= "count" then
        return one("$" .. fn, value)
    elseif not value then
        return one("$sum", "1")
    end
    local has_value = one("$gt", array({ value, "null" }))
    return one("$sum", one("$cond", array({ has_value, "1", "0" })))
end

-- Whether a list may stand at the path or on the way to it.
local function may_be_list(q, path)
    local column = q.model and q.model._column[path]
    return not column or column.type == "document" or column.type == "json"
end

-- Has sums and the like go over the items of lists, one by one; returns where their value is then.
local function unwind(stages, value, path)
    local has_number = path:find("%.%d+%f[.\0]")
    if has_number then
        add(stages, "$project", object({ { "_id", "0" }, { "v", value } }))
    end
    local from = nil
    for name in path:gmatch("[^.]+") do
        from = has_number and "v" or from and from .. "." .. name or name
        add(stages, "$unwind", string("$" .. from))
    end
    return string("$" .. from)
end

--- The one row of an aggregate; none when there is nothing to reckon with.
function mongo:aggregate(cx, q)
    refuse(q)
    local a = q.action
    local path = a.field == "*" and "*" or path_of(q, a.field)
    if path ~= "*" and is_grouped(q) and not q.columns and #q.groups == 0 then
        q.columns = { { kind = "field", field = a.field, first = 1 } }
    end
    if not q.limit and not q.offset then
        q.orders = {}
    end
    local stages = stages_of(cx, q, columns_of(q))
    local value = path ~= "*" and (is_grouped(q) and string("$" .. path) or text.value(q.model, path))
    if value and a.functions[1] ~= "count" and may_be_list(q, path) then
        value = unwind(stages, value, path)
    end
    local group, names = { { "_id", "null" } }, {}
    for i, fn in ipairs(a.functions) do
        local own = q.model and q.model._column[path] and path
        local typed = fn ~= "count" and fn ~= "avg" and own
        names[i] = typed or self.free_name(q.model, fn == "count" and "total" or fn)
        group[i + 1] = { names[i] == "_id" and "v" or names[i], accumulator(fn, value) }
    end
    add(stages, "$group", object(group))
    if names[1] == "_id" then
        add(stages, "$project", one("_id", string("$v")))
    end
    return aggregate(q, stages, strings(names))
end

--- The command that tells how the server would run one.
function mongo.explain(_, command)
    local plain = command:gsub(',"%$fields":%[.*%]}$', "}")
    return text.one("explain", plain)
end

-- }======

local WRITES <const> = { mongo_writes = " update delete truncate insert count_new batch bulk_into " }

return setmetatable(mongo, {
    __index = require("eloquent.support.parts")(mongo, WRITES, function(part)
        require("eloquent.query.grammar." .. part)(mongo)
    end),
})
