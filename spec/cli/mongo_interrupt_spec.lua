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
            local dir = helper.tmpdir()
            helper.write(dir, "before.lua", (BEFORE:gsub("COMMAND", '"' .. command .. '"')))
            helper.write(dir, "after.lua", AFTER)
            helper.write(dir, "script.lua", (SCRIPT:gsub("COMMAND", command)))
            local uri = assert(os.getenv("EL_SPEC_MONGO_URI"), "no server: script/servers start")
            local binary = helper.quote(helper.binary())
            local r = helper.shell(([[
                BINARY run before.lua || exit 99
                MONGO_URI=$MONGO_URI/?appName=interrupted env --default-signal=INT BINARY run script.lua >out &
                pid=$!
                while ! grep -q ready out 2>/dev/null && kill -0 $pid 2>/dev/null; do sleep 0.05; done
                sleep 0.2
                begun=$(date +%s%N)
                kill -INT $pid
                (sleep 20 && kill -KILL $pid) 2>/dev/null &
                wait $pid
                status=$?
                kill $! 2>/dev/null
                echo $(( ($(date +%s%N) - begun) / 1000000 ))
                BINARY run after.lua
                exit $status
            ]]):gsub("BINARY", function() return binary end), {
                dir = dir,
                env = {
                    DB_CONNECTION = "mongo",
                    MONGO_URI = uri,
                    MONGO_DB = os.getenv("EL_SPEC_MONGO_DB"),
                    NUMBERS = "interrupted" .. os.time() .. command, -- an earlier run may have left its locks
                },
            })
            assert.matches("^interrupted at script%.lua:%d+\n$", r.stderr)
            assert.equal(130, r.status)
            local took, committed = r.stdout:match("^(%d+)\n0\t0\t([01])\n$")
            assert(took, r.stdout)
            assert.is_true(tonumber(took) < 2500)
            assert.is_true(committed == "0" or command == "commitTransaction") -- nobody knows of a commit
        end)
    end
end)
