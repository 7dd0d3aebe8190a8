-- SPDX-License-Identifier: MIT
-- The shape of a query, without its values, as a path in a tree: each verb is one step from a node to a child.
-- Equal queries walk the same path and end at the same node, so what is known about a shape (its checks, its
-- SQL, its plan) is found there and made once. Names are checked when a step is new, and not again.
local node = {}

-- Nodes that one tree keeps. A tree that is full stops growing: its builders go on with loose nodes, and new
-- builders begin a new tree, so shapes that vary without end cost no memory.
local LIMIT = 2000

---@class eloquent.Node
---@field up eloquent.Node|nil
---@field root eloquent.Node
---@field count integer   values that the path takes
---@field c table|nil     the component that this step adds; `c.first` is the place of its first value

--- A new tree. `fields` says what it is about: model or table, alias.
---@param fields table
---@return eloquent.Node
function node.root(fields)
    fields.root = fields
    fields.count = 0
    fields.size = 0
    return fields
end

--- The child of a step, or nil when it is new.
function node.peek(at, verb, key)
    local children = at[verb]
    return children and children[key]
end

-- A node below `at`, and whether the tree has room for it.
local function make(at, component, width)
    local root = at.root
    component.first = at.count + 1
    component.width = width
    local to = { up = at, root = root, count = at.count + width, c = component }
    if root.size >= LIMIT then
        root.full = true
        return to, false
    end
    root.size = root.size + 1
    return to, true
end

local function branch(of, key)
    local children = of[key]
    if not children then
        children = {}
        of[key] = children
    end
    return children
end

--- Adds the child of a new step: a component that takes `width` values.
---@param at eloquent.Node
---@param verb string
---@param key any
---@param component table
---@param width integer
---@return eloquent.Node
function node.extend(at, verb, key, component, width)
    local to, kept = make(at, component, width)
    if kept then
        branch(at, verb)[key] = to
    end
    return to
end

--- Like extend for a step that is told by two keys: at[verb][a][b].
function node.extend2(at, verb, a, b, component, width)
    local to, kept = make(at, component, width)
    if kept then
        branch(branch(at, verb), a)[b] = to
    end
    return to
end

--- A node that no tree keeps, for a step that won't come again.
function node.loose(at, component, width)
    component.first = at.count + 1
    component.width = width
    return { up = at, root = at.root, count = at.count + width, c = component }
end

--- The components from the root to a node, in the order they were added.
---@param at eloquent.Node
---@return table[]
function node.components(at)
    local list, n = {}, 0
    while at.c do
        n = n + 1
        list[n] = at.c
        at = at.up
    end
    for i = 1, n // 2 do
        list[i], list[n - i + 1] = list[n - i + 1], list[i]
    end
    return list
end

return node
