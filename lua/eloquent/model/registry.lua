-- SPDX-License-Identifier: MIT
--
-- Models by name: those that a script defined, and those of app/models/, loaded when they
-- are first mentioned.

local later = require("eloquent.support.later")
local errors = require("eloquent.core.errors")
local host = require("eloquent.core.host")
local nearest = later("eloquent.support.nearest")

local registry = {}

--- Folder of the project; the working directory.
registry.root = "."

local known = {}
local loading = {}

local function fail(message, file, line)
    errors.raise({ kind = "misuse", message = message, file = file, line = line })
end

--- True for what SqlModel made.
---@param value any
---@return boolean
function registry.is_model(value)
    local meta = type(value) == "table" and getmetatable(value)
    return type(meta) == "table" and rawget(meta, "__name") == "eloquent.Model"
end

local function place_of(model)
    return model._file and ("%s:%d"):format(model._file, model._line) or "another script"
end

-- One spelling for one file, so that app/models/User.lua loaded twice is seen as one.
local function canonical(file)
    if not file then
        return nil
    end
    return host.realpath(file) or file
end

-- The chunks that were running when models were defined.
local chunks = setmetatable({}, { __mode = "kv" })

-- True when a file was loaded anew, maybe edited, or a function runs again.
local function is_anew(model, other, chunk)
    return canonical(other._file) == canonical(model._file)
        and (other._line == model._line or chunk ~= chunks[other])
end

local function check_name_is_free(model, chunk)
    local other = known[model._name]
    if not other or other == model or is_anew(model, other, chunk) then
        return
    end
    fail(
        ("model %s is defined twice: at %s and at %s; rename one of them"):format(
            model._name,
            place_of(other),
            place_of(model)
        ),
        model._file,
        model._line
    )
end

--- Makes a new model known by its name. The same line may define it again, and so may the
--- same file when it is loaded anew; nothing else may.
---@param model table
---@param chunk? function  the chunk that defines it
function registry.define(model, chunk)
    check_name_is_free(model, chunk)
    known[model._name] = model
    chunks[model] = chunk
end

--- What eloquent.registerModels is: makes every model of the list known by its name.
---@param list table[] for example { User, Post }
function registry.registerModels(list)
    local usage = "write eloquent.registerModels{ User, Post }"
    if type(list) ~= "table" or registry.is_model(list) then
        local found = registry.is_model(list) and "one model" or "a " .. type(list)
        fail(("registerModels takes a list of models, found %s; %s"):format(found, usage))
    end
    local count = 0
    for _ in pairs(list) do
        count = count + 1
    end
    if count ~= #list then
        fail("registerModels takes a list without names or holes; " .. usage)
    end
    for i, model in ipairs(list) do
        if not registry.is_model(model) then
            fail(
                ("registerModels takes models, item %d is a %s; %s"):format(
                    i,
                    type(model),
                    usage
                )
            )
        end
        check_name_is_free(model, chunks[model])
    end
    for _, model in ipairs(list) do
        known[model._name] = model
    end
end

local function path_of(name)
    local prefix = registry.root == "." and "" or registry.root .. "/"
    return prefix .. "app/models/" .. name .. ".lua"
end

-- Runs the file of a model and returns what it returned.
local function run_file(path, name)
    if loading[name] then
        fail(
            ("model %s is needed while %s is being loaded; name it as a string"):format(
                name,
                path
            )
        )
    end
    loading[name] = true
    local _ <close> = setmetatable({}, {
        __close = function(_, problem)
            loading[name] = nil
            if problem ~= nil then
                known[name] = nil
            end
        end,
    })
    local chunk, problem = loadfile(path, "t")
    if not chunk then
        local file, line, message = problem:match("^(.-):(%d+): (.*)$")
        fail(message or problem, file or path, math.tointeger(tonumber(line)))
    end
    local model = chunk()
    return model
end

local function load_model(name)
    local path = path_of(name)
    -- A script may have required the same file already.
    local required = package.loaded["app.models." .. name]
    if registry.is_model(required) and required._name == name then
        return required
    end
    if not host.exists(path) then
        return nil
    end
    local result = run_file(path, name)
    if not registry.is_model(result) then
        fail(
            ("%s has to return the model %s, it returned a %s"):format(
                path,
                name,
                type(result)
            ),
            path,
            1
        )
    end
    if result._name ~= name then
        fail(
            ("%s has to return the model %s, it returned %s"):format(
                path,
                name,
                result._name
            ),
            result._file,
            result._line
        )
    end
    package.loaded["app.models." .. name] = result
    return result
end

--- The model of that name: a known one, or that of app/models/<name>.lua, which is loaded
--- then. nil when there is neither. An error in the file is raised as it is.
---@param name string
---@return table|nil
function registry.find(name)
    if known[name] then
        return known[name]
    end
    if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
        return nil
    end
    local model = load_model(name)
    if model then
        known[name] = model
    end
    return model
end

-- Names of the files in app/models, for messages and for loading all.
local function file_names()
    local folder = path_of("x"):match("^(.*)/")
    local names = {}
    if host.isdir(folder) then
        for _, file in ipairs(host.list(folder)) do
            names[#names + 1] = file:match("^([%a_][%w_]*)%.lua$")
        end
    end
    return names
end

--- The model of that name. Raises an error of kind "misuse" that names the nearest one
--- when there is none.
---@param name string
---@return table
function registry.get(name)
    local model = registry.find(name)
    if model then
        return model
    end
    local names = file_names()
    for other in pairs(known) do
        names[#names + 1] = other
    end
    table.sort(names)
    local what = type(name) == "string" and ('"%s"'):format(name) or "a " .. type(name)
    fail(
        ("there is no model %s%s; define it, or put it into %s"):format(
            what,
            nearest.hint(name, names),
            path_of(type(name) == "string" and name or "Name")
        )
    )
end

--- The models that are known now, sorted by name.
---@return table[]
function registry.all()
    local models = {}
    for _, model in pairs(known) do
        models[#models + 1] = model
    end
    table.sort(models, function(a, b)
        return a._name < b._name
    end)
    return models
end

--- Loads every model of app/models/ and returns all models, sorted by name.
---@return table[]
function registry.load_all()
    for _, name in ipairs(file_names()) do
        registry.get(name)
    end
    return registry.all()
end

--- Forgets a model, or all of them; for specs and for a console that starts anew.
---@param name string|nil
function registry.forget(name)
    for other in pairs(known) do
        if name == nil or other == name then
            known[other] = nil
            package.loaded["app.models." .. other] = nil
        end
    end
end

return registry
