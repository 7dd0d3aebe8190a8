-- SPDX-License-Identifier: MIT
--
-- Names of tables from names of models: UserProfile -> user_profiles. English only, and
-- only as much as table names need; where it guesses wrong, `tableName` says it.

local inflect = {}

local irregular = {
    person = "people",
    child = "children",
    man = "men",
    woman = "women",
    foot = "feet",
    tooth = "teeth",
    goose = "geese",
    mouse = "mice",
    ox = "oxen",
    quiz = "quizzes",
    datum = "data",
    medium = "media",
    index = "indices",
    matrix = "matrices",
    vertex = "vertices",
    appendix = "appendices",
    criterion = "criteria",
    phenomenon = "phenomena",
    leaf = "leaves",
    loaf = "loaves",
    half = "halves",
    calf = "calves",
    shelf = "shelves",
    wolf = "wolves",
    thief = "thieves",
    knife = "knives",
    life = "lives",
    wife = "wives",
    hero = "heroes",
    potato = "potatoes",
    tomato = "tomatoes",
    echo = "echoes",
    veto = "vetoes",
    lens = "lenses",
}

local uncountable = {}
for word in
    ([[audio advice chaos data deer equipment evidence feedback fish furniture hardware
    homework information knowledge luggage media metadata money moose music news people
    police rice series sheep software species staff swine traffic weather]]):gmatch("%a+")
do
    uncountable[word] = true
end

-- A word's end and what it becomes; the first that fits counts.
local rules = {
    { "([^aeiou])y$", "%1ies" },
    { "quy$", "quies" },
    { "sis$", "ses" },
    { "xis$", "xes" },
    { "([sxz])$", "%1es" },
    { "([cs]h)$", "%1es" },
    { "$", "s" },
}

-- "users" is a plural already; "status", "class", "analysis" and "alias" are not.
local function is_plural(word)
    return word:find("[^s]s$") ~= nil and not word:find("[uia]s$") and not irregular[word]
end

local function plural_word(word)
    if uncountable[word] then
        return word
    end
    if irregular[word] then
        return irregular[word]
    end
    if is_plural(word) then
        return word
    end
    for _, rule in ipairs(rules) do
        local text, count = word:gsub(rule[1], rule[2], 1)
        if count > 0 then
            return text
        end
    end
    return word
end

--- The plural of a lower-case name; of `user_profile` only the last word changes.
---@param name string
---@return string
function inflect.plural(name)
    local head, word = name:match("^(.*_)([^_]+)$")
    if not head then
        head, word = "", name
    end
    return head .. plural_word(word)
end

--- UserProfile -> user_profile, HTTPServer -> http_server, Area51Map -> area51_map.
---@param name string
---@return string
function inflect.snake(name)
    local text = name:gsub("(%l)(%u)", "%1_%2"):gsub("(%d)(%u)", "%1_%2")
    return (text:gsub("(%u)(%u%l)", "%1_%2"):lower())
end

--- The table that a model's rows live in unless it says otherwise.
---@param model string for example "UserProfile"
---@return string table for example "user_profiles"
function inflect.table_name(model)
    return inflect.plural(inflect.snake(model))
end

return inflect
