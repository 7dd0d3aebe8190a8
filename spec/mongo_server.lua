-- SPDX-License-Identifier: MIT
--
-- A MongoDB server of one spec alone, which may stop it as it likes: script/servers starts
-- it on scratch data and a free port.

local helper = require("spec.helper")
local host = require("eloquent.core.host")

local SCRIPT <const> = host.realpath("script/servers")

---@class spec.MongoServer
---@field uri string
---@field pid string|nil  nil: it was killed
local Server = {}
Server.__index = Server

local function launch(self)
    local r = helper.shell(("%s mongo --dir %s %s"):format(
        helper.quote(SCRIPT),
        helper.quote(self._dir),
        self._port and "--port " .. self._port or ""
    ), { keep_env = true })
    assert(r.status == 0, r.stderr)
    local pid, port = r.stdout:match("^(%d+) (%d+)\n$")
    self.pid, self._port = assert(pid), port
    self.uri = "mongodb://127.0.0.1:" .. port
end

function Server:_signal(name, seconds)
    local line = ("kill -%s %s"):format(name, self.pid)
    assert(os.execute(seconds and ("(sleep %s; %s) &"):format(seconds, line) or line))
end

--- Starts one; it answers when this returns.
---@return spec.MongoServer
function Server.start()
    local self = setmetatable({ _dir = helper.tmpdir() }, Server)
    launch(self)
    return self
end

--- Ends it as a crash would; what it had acknowledged is in its files. With `seconds` it
--- happens then, while the caller goes on; `again` comes after that.
---@param seconds? number
function Server:kill(seconds)
    if seconds then
        self:_signal("KILL", seconds)
        return
    end
    self:_signal("KILL")
    self:_ended()
end

function Server:_ended()
    -- a zombie whose threads are all gone, or nothing
    local ended = ("while ls /proc/%s/task 2>/dev/null | grep -qv '^%s$' || grep -qs '^State:.[^Z]' /proc/%s/status; "
        .. "do sleep 0.02; done"):gsub("%%s", self.pid)
    assert(os.execute(ended))
    self.pid = nil
end

--- Starts it again on the same port and data.
function Server:again()
    if self.pid then
        self:_ended()
    end
    launch(self)
end

--- Keeps it from doing anything; its links stay open.
function Server:freeze()
    self:_signal("STOP")
    -- each of its threads has to have heard of it
    assert(os.execute(("while grep -qs '^State:.[^T]' /proc/%s/task/*/status; do sleep 0.01; done"):format(self.pid)))
end

---@param seconds? number  then, while the caller goes on
function Server:thaw(seconds)
    self:_signal("CONT", seconds)
end

--- Ends it for good.
function Server:finish()
    if self.pid then
        self:kill()
    end
end

return Server
