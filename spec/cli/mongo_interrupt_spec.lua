-- SPDX-License-Identifier: MIT
--
-- Ctrl-C while a MongoDB server works, made slow by its fail points: the script ends at
-- once, and what was part of a transaction is undone.

local helper = require("spec.helper")

local BEFORE <const> = [[
local eloquent = require("eloquent")
local doc = eloquent.doc
local numbers = eloquent.connection():collection(os.getenv("NUMBERS"))
numbers:drop()
local list = {}
for i = 1, 300 do
    list[i] = { _id = i }
end
numbers:insertMany(list)
local admin = require("eloquent.connection").new({ name = "admin", driver = "mongo", kind = "mongo", target = "",
    sources = {}, options = { uri = os.getenv("MONGO_URI"), db = "admin" } })
admin:command(doc({ { "configureFailPoint", "failCommand" }, { "mode", { times = 1 } }, { "data", {
    failCommands = { COMMAND }, blockConnection = true, blockTimeMS = 4000, appName = "interrupted",
} } }))
]]

local SCRIPT <const> = [[
local db = require("eloquent").connection()
local numbers = db:collection(os.getenv("NUMBERS"))
local ways = {
    find = function() return numbers:find({}) end,
    getMore = function()
        for row in numbers:cursor({}, { batchSize = 10 }) do
            numbers._last = row
        end
    end,
    aggregate = function() return numbers:aggregate({ { ["$count"] = "n" } }) end,
    update = function()
        db:transaction(function()
            numbers:insertOne({ _id = "undone" })
            numbers:updateMany({}, { ["$set"] = { a = 1 } })
        end)
    end,
    commitTransaction = function()
        db:transaction(function()
            numbers:insertOne({ _id = 301 })
        end)
    end,
}
db:ping()
print("ready")
io.stdout:flush()
ways.COMMAND()
]]

local AFTER <const> = [[
local numbers = require("eloquent").connection():collection(os.getenv("NUMBERS"))
print(numbers:count({ a = 1 }), numbers:count({ _id = "undone" }), numbers:count() - 300)
numbers:insertOne({ _id = "after" })
]]

describe("Ctrl-C while MongoDB works", function()
    for _, command in ipairs({ "find", "getMore", "aggregate", "update", "commitTransaction" }) do
        it("ends the script with 130, at once: " .. command, function()
            local env = helper.servers("mongo")
            env.MONGO_URI = env.MONGO_URI .. "/?appName=interrupted"
            env.NUMBERS = "interrupted" .. os.time() .. command -- an earlier run may have left its locks
            local r, took = helper.interrupt(SCRIPT:gsub("COMMAND", command), {
                before = BEFORE:gsub("COMMAND", '"' .. command .. '"'),
                after = AFTER,
                env = env,
                pause = 0.2,
            })
            assert.matches("^interrupted at script%.lua:%d+\n$", r.stderr)
            assert.equal(130, r.status)
            local committed = r.stdout:match("^ready\n0\t0\t([01])\n$")
            assert(committed, r.stdout)
            assert.is_true(took < 2500)
            assert.is_true(committed == "0" or command == "commitTransaction") -- nobody knows of a commit
        end)
    end
end)
