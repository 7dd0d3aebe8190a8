-- SPDX-License-Identifier: MIT
--
-- Globals of scripts: reading one that was never assigned raises and names the nearest
-- one, because it is a misspelling nearly always.  Assigning at the top level of a file
-- declares; inside a function it raises, because `local` was forgotten.

local strict = {}

-- Names that libraries test to learn which Lua they run on; nil, as everywhere.
local tested <const> = {
    jit = true,
    bit = true,
    bit32 = true,
    unpack = true,
    loadstring = true,
    setfenv = true,
    getfenv = true,
    module = true,
    newproxy = true,
    ngx = true,
}

local function undefined(globals, name)
    if tested[name] then
        return nil
    end
    local known = {}
    for key in pairs(globals) do
        known[#known + 1] = type(key) == "string" and key or nil
    end
    table.sort(known)
    local near = require("eloquent.support.nearest").find(tostring(name), known)
    local hint = near and ("; did you mean '%s'?"):format(near)
        or ": assign it at the top level first, or make it local"
    error(("undefined global '%s'%s"):format(tostring(name), hint), 2)
end

local function assign(globals, name, value)
    local what = debug.getinfo(2, "S").what
    if what == "Lua" then
        local message = "assignment to the undeclared global '%s' inside a function: write local"
        error(message:format(tostring(name)), 2)
    end
    rawset(globals, name, value)
end

function strict.install()
    setmetatable(_G, { __index = undefined, __newindex = assign, __metatable = false })
end

return strict
