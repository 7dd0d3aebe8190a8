-- SPDX-License-Identifier: MIT
--
-- Transactions: commit on return, rollback on an error, savepoints when nested, another
-- attempt after a deadlock. The truth about the state is the driver's, never a count.
local errors = require("eloquent.core.errors")
local journal = require("eloquent.support.later")("eloquent.model.journal")

local transaction = {}

local ISOLATIONS <const> = {
    ["read uncommitted"] = true,
    ["read committed"] = true,
    ["repeatable read"] = true,
    serializable = true,
}

--- The connections of the transactions that are running now, the innermost last.
---@type eloquent.Connection[]
local running = {}

--- Longest pause between two attempts, in seconds.
local LONGEST_PAUSE <const> = 0.5

local function misuse(message, ...)
    errors.raise({ kind = "misuse", message = message:format(...) })
end

local function check_options(options)
    options = options or {}
    for key in pairs(options) do
        if key ~= "attempts" and key ~= "isolation" then
            misuse("a transaction has no option '%s'; there are attempts and isolation", tostring(key))
        end
    end
    local attempts = options.attempts or 1
    if math.type(attempts) ~= "integer" or attempts < 1 then
        misuse("attempts must be a whole number from 1 on")
    end
    local isolation = options.isolation
    if isolation ~= nil and not ISOLATIONS[isolation] then
        misuse(
            "unknown isolation '%s'; there are read uncommitted, read committed, repeatable read "
                .. "and serializable",
            tostring(isolation)
        )
    end
    return attempts, isolation
end

--- Callbacks run when everything is settled, each one, whatever the others do; the first
--- error is raised afterwards.
local function run_callbacks(callbacks)
    local first
    for _, fn in ipairs(callbacks) do
        local ok, why = pcall(fn)
        if not ok and first == nil then
            first = { why }
        end
    end
    if first then
        error(first[1], 0)
    end
end

--- True when the server still holds the transaction (it may have failed already).
local function is_open(connection)
    return connection._core and connection._core:txstate() ~= "none"
end

local function pause(attempt)
    local host = require("eloquent.core.host")
    host.sleep(math.min(LONGEST_PAUSE, 0.01 * 2 ^ attempt) * (0.5 + math.random() / 2))
end

--- Nothing in `fn` can yield to the outside: other code would run inside a transaction that
--- it doesn't know of.
local function protect(connection, fn)
    local core = connection:core()
    running[#running + 1] = connection
    local results = table.pack(core:protect(fn, connection))
    local why = results[2]
    if not results[1] and type(why) == "string" and why:find("yield across a C-call", 1, true) then
        results[2] = errors.new({
            kind = "misuse",
            connection = connection.name,
            message = "the function of a transaction cannot yield to the outside, which would "
                .. "leave the transaction open for other code; finish it first",
        })
    end
    return results
end

--- Calls `fn` for one level; returns ok, then the results or the error. `failed` is the
--- table for an error that comes from having no memory for another one: the level must be
--- ended all the same.
local function call(connection, fn, failed)
    local level = #running
    local ok, results = pcall(protect, connection, fn)
    for i = #running, level + 1, -1 do
        running[i] = nil
    end
    if ok then
        return results
    end
    failed[2] = results
    return failed
end

local function lost_error(connection)
    return errors.new({
        kind = "lost",
        connection = connection.name,
        driver = connection.driver,
        message = ("the connection '%s' was lost inside the transaction, which is undone"):format(
            connection.name
        ),
    })
end

--- What notes the records that are written from now on; false for nothing.
local function set_journal(connection, notes)
    connection._journal = notes
    if connection._core then
        connection._core:journal(notes and notes.list or nil, notes and notes.serial)
    end
end

--- The outermost level, once. Returns ok, then the results or the error.
local function attempt(connection, fn, isolation)
    -- What takes memory comes first: nothing may fail between the begin and the call.
    local notes, callbacks, failed = journal.new(), {}, { false, nil, n = 2 }
    connection:core():transact("begin", isolation)
    connection._depth = 1
    connection._after_commit = callbacks
    set_journal(connection, notes)
    local results = call(connection, fn, failed)
    local lost = connection._lost
    connection._depth = 0
    connection._after_commit = false
    set_journal(connection, false)
    connection._lost = false
    if results[1] then
        local ok, why
        if lost then
            ok, why = false, lost_error(connection)
        else
            ok, why = pcall(connection._core.transact, connection._core, "commit")
        end
        if not ok then
            results, failed[2] = failed, why
        end
    end
    if results[1] then
        run_callbacks(callbacks)
        return results
    end
    if connection._core then
        -- The error that led here says more than a rollback that fails after it.
        pcall(connection._core.transact, connection._core, "rollback")
    end
    journal.undo(notes)
    return results
end

local function outermost(connection, fn, attempts, isolation)
    for n = 1, attempts do
        local results = attempt(connection, fn, isolation)
        if results[1] then
            return table.unpack(results, 2, results.n)
        end
        if n == attempts or not errors.is(results[2], "conflict") then
            error(results[2], 0)
        end
        pause(n)
    end
end

--- A level inside another: a savepoint. After a deadlock the server has dropped all
--- levels, so the error goes up to the outermost untouched.
local function nested(connection, fn)
    local depth = connection._depth
    local name = "eloquent_" .. depth
    local core = connection:core()
    local callbacks, outer = #connection._after_commit, connection._journal
    local notes, failed = journal.new(outer), { false, nil, n = 2 }
    core:transact("savepoint", name)
    connection._depth = depth + 1
    set_journal(connection, notes)
    local results = call(connection, fn, failed)
    connection._depth = depth
    set_journal(connection, outer)
    if results[1] then
        journal.merge(outer, notes)
        core:transact("release", name)
        return table.unpack(results, 2, results.n)
    end
    for i = #connection._after_commit, callbacks + 1, -1 do
        connection._after_commit[i] = nil
    end
    local undone, why = pcall(journal.undo, notes)
    if is_open(connection) and not errors.is(results[2], "conflict") then
        core:transact("rollbackTo", name)
        core:transact("release", name)
    end
    error(undone and results[2] or why, 0)
end

--- Runs `fn` in a transaction of the connection object.
---@param connection eloquent.Connection
---@param fn fun(tx: eloquent.Connection): any
---@param options? { attempts?: integer, isolation?: string }
function transaction.run(connection, fn, options)
    if type(connection) ~= "table" then
        misuse("call the verbs of a connection with a colon, as in connection:transaction(...)")
    elseif type(fn) ~= "function" then
        misuse("a transaction takes a function, got a %s", type(fn))
    end
    local attempts, isolation = check_options(options)
    if connection._depth > 0 then
        if isolation then
            misuse("a nested transaction is a savepoint and has the isolation of the outermost one")
        end
        return nested(connection, fn)
    end
    return outermost(connection, fn, attempts, isolation)
end

--- Runs `fn` in a transaction: commit when it returns, rollback and the same error again
--- when it raises. Nested calls are savepoints. Every model on that connection is inside.
--- Two connections are two transactions.
---
---     eloquent.transaction(function()
---       from:update{ balance = from.balance - sum }
---       to:update{ balance = to.balance + sum }
---     end, { attempts = 3 })
---@param name? string  the connection's name; the default one when left out
---@param fn fun(tx: eloquent.Connection): any
---@param options? { attempts?: integer, isolation?: string }
---@return any ...  what `fn` returns
function transaction.transaction(name, fn, options)
    if type(name) == "function" then
        name, fn, options = nil, name, fn
    end
    local connection = require("eloquent.connections").get(name)
    return transaction.run(connection, fn, options)
end

--- Calls `fn` once the outermost transaction has committed; at once when there is none.
--- With a rollback it is dropped.
---@param fn fun()
---@param name? string  the connection's name; that of the transaction it stands in when left out
function transaction.afterCommit(fn, name)
    if type(fn) ~= "function" then
        misuse("afterCommit takes a function, got a %s", type(fn))
    end
    local connection = name == nil and running[#running] or require("eloquent.connections").get(name)
    local callbacks = connection._after_commit
    if callbacks then
        callbacks[#callbacks + 1] = fn
    else
        fn()
    end
end

return transaction
