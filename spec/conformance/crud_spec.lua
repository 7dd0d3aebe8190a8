-- SPDX-License-Identifier: MIT
--
-- Records of a model written and read one by one; queries are queries_spec.lua, many rows
-- at once bulk_spec.lua.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column, null = eloquent.column, eloquent.null
local failure, statements = engines.failure, engines.statements

engines.suite("crud", function(engine)
    local it = engine.it
    local User = engine.model "User" {
        tableName = "crud_users",
        connectionName = engine.name,
        schema = {
            id = column("increments"),
            name = column("string", 50, { notNull = true }),
            email = column("string", 100, { unique = true }),
            age = column("integer"),
            active = column("boolean", nil, { default = true }),
            level = column("smallInteger", nil, { default = 7, notNull = true }),
            balance = column("decimal", nil, { precision = 12, scale = 2, default = "1.50" }),
            title = column("string", 20, { default = "none" }),
            settings = column("json"),
            seen_at = column("timestamp", nil, { defaultNow = true }),
        },
        timestamps = true,
    }
    local Tag = engine.model "Tag" {
        tableName = "crud_tags",
        connectionName = engine.name,
        schema = {
            code = column("string", 20, { primary = true }),
            label = column("string", 50),
        },
    }
    local Token = engine.model "Token" {
        tableName = "crud_tokens",
        connectionName = engine.name,
        schema = {
            id = column("uuid", nil, { primary = true, auto = true }),
            note = column("string", 50),
        },
    }
    local Defaults = engine.model "Defaults" {
        tableName = "crud_defaults",
        connectionName = engine.name,
        schema = { id = column("bigIncrements"), n = column("integer", nil, { default = 5 }) },
    }
    local db = engine:db()

    before_each(function()
        engine:tables(User, Tag, Token, Defaults)
    end)

    function User:greeting()
        return "Hi " .. self.name
    end

    -- {{{ create and save

    it("create gives the record what the database made", function()
        local before = eloquent.datetime.now()
        local user = User:create({ name = "Ada", email = "ada@example.org" })
        assert.equal(1, user.id)
        assert.is_true(user.active)
        assert.equal(7, user.level)
        assert.equal("1.50", tostring(user.balance))
        assert.equal("none", user.title)
        assert.is_nil(user.age)
        assert.is_nil(user.settings)
        assert.is_true(user:exists())
        assert.is_true(user.created_at - before > (engine.name == "mongo" and -0.001 or -0.000001))
        assert.equal(user.created_at, user.updated_at)
        assert.is_true(math.abs(user.seen_at - user.created_at) < 3600)
        assert.equal(2, User:create({ name = "Grace" }).id)
    end)

    it("create writes an explicit NULL in place of a default", function()
        local user = User:create({ name = "Ada", title = null, active = null })
        assert.is_nil(user.title)
        assert.is_nil(User:find(user.id).title)
        assert.is_nil(User:find(user.id).active)
        assert.is_true(User:find(user.id):isNull("active"))
    end)

    it("create takes a key", function()
        assert.equal(40, User:create({ id = 40, name = "Ada" }).id)
        assert.equal("Ada", User:find(40).name)
    end)

    it("create of nothing but defaults", function()
        local first, second = Defaults:create(), Defaults:create({})
        assert.same({ 1, 2 }, { first.id, second.id })
        assert.same({ 5, 5 }, { first.n, second.n })
    end)

    it("each row has a default of its own, whatever is in it", function()
        local given = { "a", { deep = { 1, {} }, order = eloquent.doc({ { "z", 1 }, { "b", null } }) } }
        local Listed = engine.model "Listed" {
            tableName = "crud_listed",
            connectionName = engine.name,
            schema = { id = column("increments"), tags = column("json", nil, { default = given }) },
        }
        engine:tables(Listed)
        given[3] = "later"
        local first = Listed:create()
        first.tags[2].deep[1], first.tags[2].order.z, first.tags[3] = 2, 2, "leak"
        Listed:create()
        Listed:insert({ {} })
        Listed:createMany({ {} })
        for _, row in ipairs(Listed:get()) do
            assert.equal(2, #row.tags)
            assert.equal(1, row.tags[2].deep[1])
            assert.equal(1, row.tags[2].order.z)
            assert.equal(null, row.tags[2].order.b)
        end
        first:save()
        assert.equal("leak", Listed:find(first.id).tags[3])
    end)

    it("keys may be strings, and made by the program", function()
        local tag = Tag:create({ code = "lua", label = "Lua" })
        assert.equal("lua", tag.code)
        assert.equal("Lua", Tag:find("lua").label)
        local token = Token:create({ note = "x" })
        assert.matches("^%x+%-%x+%-7%x+%-[89ab]%x+%-%x+$", token.id)
        assert.equal("x", Token:find(token.id).note)
    end)

    it("new writes nothing before save", function()
        local user = User:new({ name = "Ada" })
        assert.is_false(user:exists())
        assert.equal(0, User:count())
        assert.is_nil(user.id)
        user.age = 36
        assert.equal(user, user:save())
        assert.is_true(user:exists())
        assert.equal(36, User:find(user.id).age)
        assert.equal(1, User:count())
    end)

    it("methods of the model are the record's", function()
        assert.equal("Hi Ada", User:create({ name = "Ada" }):greeting())
        assert.equal("Hi Ada", User:first():greeting())
    end)

    it("createMany is one transaction", function()
        local tags = Tag:createMany({ { code = "a" }, { code = "b" } })
        assert.same({ "a", "b" }, { tags[1].code, tags[2].code })
        failure(function()
            Tag:createMany({ { code = "c" }, { code = "a" } })
        end)
        assert.equal(2, Tag:count())
    end)

    -- }}}
    -- {{{ update, delete, refresh

    it("save writes the dirty columns only, and nothing when there are none", function()
        local user = User:create({ name = "Ada", age = 36 })
        db:execute(engine:text("update crud_users set age = 99",
            '{"update":"crud_users","updates":[{"q":{},"u":{"$set":{"age":99}},"multi":true}]}'))
        user.name = "Ada L."
        local seen = statements(db, function()
            user:save()
            user:save()
            user.name = "Ada L."
            user:save()
        end)
        assert.equal(1, #seen)
        assert.not_matches("age", seen[1])
        assert.equal(99, User:find(user.id).age)
        assert.equal("Ada L.", User:find(user.id).name)
    end)

    it("save of a value and back again writes nothing", function()
        local user = User:create({ name = "Ada", age = 36 })
        user.age = 37
        user.age = 36
        assert.equal(0, #statements(db, function()
            user:save()
        end))
    end)

    it("update keeps updated_at, create keeps both", function()
        local user = User:create({ name = "Ada" })
        local created = user.created_at
        user:update({ age = 1 })
        assert.is_true(user.updated_at >= created)
        assert.equal(created, User:find(user.id).created_at)
        assert.equal(user.updated_at, User:find(user.id).updated_at)
        local moment = eloquent.datetime("2001-02-03T04:05:06" .. engine.fraction(789) .. "Z")
        user:update({ updated_at = moment })
        assert.equal(moment, User:find(user.id).updated_at)
    end)

    it("update writes NULL by nil and by null", function()
        local user = User:create({ name = "Ada", age = 36, title = "Countess" })
        user.age = nil
        user.title = null
        user:save()
        local found = User:find(user.id)
        assert.is_nil(found.age)
        assert.is_nil(found.title)
    end)

    it("update changes the key, by the old one", function()
        local tag = Tag:create({ code = "a", label = "x" })
        Tag:create({ code = "z" })
        tag:update({ code = "b" })
        assert.is_nil(Tag:find("a"))
        assert.equal("x", Tag:find("b").label)
        tag:update({ label = "y" })
        assert.equal("y", Tag:find("b").label)
    end)

    it("an update that changes nothing in the row is no missing row", function()
        local tag = Tag:create({ code = "a", label = "x" })
        db:execute(engine:text("update crud_tags set label = 'y'",
            '{"update":"crud_tags","updates":[{"q":{},"u":{"$set":{"label":"y"}},"multi":true}]}'))
        tag.label = "y"
        tag:save()
        assert.is_false(tag:isDirty())
        assert.equal(1, Tag:updateById("a", { label = "y" }))
    end)

    it("saving a row that is gone is an error", function()
        local user = User:create({ name = "Ada" })
        User:deleteById(user.id)
        user.name = "x"
        local err = failure(user.save, user)
        assert.equal("notFound", err.kind)
        assert.is_true(user:isDirty("name"))
        assert.equal("notFound", failure(user.refresh, user).kind)
        assert.is_nil(user:fresh())
    end)

    it("saving a row that is gone updates once", function()
        local user, other = User:create({ name = "Ada" }), User:create({ name = "Grace" })
        other.name = "Hopper"
        other:save() -- a second save of these columns goes the short way
        User:deleteById(user.id)
        user.name = "x"
        local err
        local seen, updates = statements(db, function()
            err = failure(user.save, user)
        end), 0
        for _, sql in ipairs(seen) do
            updates = updates + (sql:find('^{?"?update') and 1 or 0)
        end
        assert.equal(1, updates)
        assert.equal("notFound", err.kind)
        assert.matches("so nothing was saved", err.message, 1, true)
    end)

    it("delete", function()
        local user, other = User:create({ name = "Ada" }), User:create({ name = "Grace" })
        assert.is_true(user:delete())
        assert.is_false(user:exists())
        assert.is_nil(User:find(user.id))
        assert.equal(1, User:count())
        assert.equal("misuse", failure(user.delete, user).kind)
        User:deleteById(other.id)
        assert.is_false(other:delete())
    end)

    it("by-id writes tell how many rows they met", function()
        local user = User:create({ name = "Ada" })
        assert.equal(1, User:updateById(user.id, { age = 4 }))
        assert.equal(0, User:updateById(user.id + 1, { age = 4 }))
        assert.equal(1, User:deleteById(user.id))
        assert.equal(0, User:deleteById(user.id))
    end)

    it("refresh and fresh read the row again", function()
        local user = User:create({ name = "Ada", age = 36 })
        db:execute(engine:text("update crud_users set age = 40, name = 'Countess'",
            '{"update":"crud_users","updates":[{"q":{},"u":{"$set":{"age":40,"name":"Countess"}},"multi":true}]}'))
        user.name = "lost"
        local copy = user:fresh()
        assert.equal("Countess", copy.name)
        assert.equal("lost", user.name)
        assert.equal(user, user:refresh())
        assert.equal("Countess", user.name)
        assert.equal(40, user.age)
        assert.is_false(user:isDirty())
    end)

    it("a failed save leaves the record dirty, and it can be saved then", function()
        User:create({ name = "Ada", email = "a" })
        local user = User:create({ name = "Grace", email = "g" })
        user.email = "a"
        assert.equal("unique", failure(user.save, user).kind)
        assert.is_true(user:isDirty("email"))
        assert.equal("g", user:getOriginal("email"))
        user.email = "h"
        user:save()
        assert.equal("h", User:find(user.id).email)
        local new = User:new({ name = "Third", email = "a" })
        assert.equal("unique", failure(new.save, new).kind)
        assert.is_false(new:exists())
        new.email = "t"
        new:save()
        assert.equal("t", User:find(new.id).email)
    end)

    -- }}}
    -- {{{ find

    it("find", function()
        local user = User:create({ name = "Ada", email = "a" })
        assert.equal("Ada", User:find(user.id).name)
        assert.is_nil(User:find(999))
        assert.equal("Ada", User:findOrFail(user.id).name)
        assert.equal("notFound", failure(User.findOrFail, User, 999).kind)
        assert.equal("Ada", User:findOneBy("email", "a").name)
        assert.is_nil(User:findOneBy("email", "b"))
        assert.is_nil(User:findOneBy("email", null))
        assert.equal("Ada", User:find(tostring(user.id)).name)
        assert.equal("value", failure(User.find, User, "one").kind)
        assert.equal("value", failure(User.find, User, 1.5).kind)
        assert.equal("misuse", failure(User.find, User, nil).kind)
    end)

    it("first, get and all", function()
        assert.is_nil(User:first())
        assert.equal(0, #User:all())
        assert.equal("notFound", failure(User.firstOrFail, User).kind)
        User:create({ name = "Ada" })
        User:create({ name = "Grace" })
        assert.equal("Ada", User:orderBy("id"):first().name)
        assert.equal(2, #User:all())
        assert.equal(2, #User:get())
        assert.equal("Grace", User:orderBy("id"):get()[2].name)
    end)

    -- }}}
    -- {{{ dirty tracking

    it("dirty tracking", function()
        local user = User:create({ name = "Ada", age = 36 })
        assert.is_false(user:isDirty())
        assert.is_true(user:isClean("name"))
        user.name = "Grace"
        assert.is_true(user:isDirty())
        assert.is_true(user:isDirty("name"))
        assert.is_false(user:isDirty("age"))
        assert.equal("Ada", user:getOriginal("name"))
        assert.equal(36, user:getOriginal("age"))
        assert.same({ name = "Grace" }, user:getDirty())
        user:save()
        assert.is_false(user:isDirty())
        assert.equal("Grace", user:getOriginal("name"))
        assert.is_true(user:wasChanged("name"))
        assert.is_false(user:wasChanged("age"))
        local changes = user:getChanges()
        assert.equal("Grace", changes.name)
        assert.is_nil(changes.age)
        assert.is_not_nil(changes.updated_at)
    end)

    it("a negative zero is another float than zero", function()
        local Zero = engine.model "Zero" {
            tableName = "crud_zeros",
            connectionName = engine.name,
            schema = { id = column("increments"), v = column("double") },
        }
        engine:tables(Zero)
        local zero = Zero:find(Zero:create({ v = 0.0 }).id)
        zero.v = 0.0
        assert.is_false(zero:isDirty("v"))
        zero.v = 0
        assert.is_false(zero:isDirty("v"))
        zero.v = -0.0
        assert.is_true(zero:isDirty("v"))
        zero:save()
        assert.is_false(zero:isDirty())
        local found = Zero:find(zero.id) -- some engines keep no negative zero; none makes another number of it
        assert.equal(0, found.v)
        found.v = found.v
        assert.is_false(found:isDirty())
    end)

    it("a record read from the database tracks the same way", function()
        User:create({ name = "Ada", age = 36 })
        local user = User:first()
        user.age = nil
        assert.is_true(user:isDirty("age"))
        assert.equal(36, user:getOriginal("age"))
        user.age = 36
        assert.is_false(user:isDirty("age"))
        user.balance = "1.5"
        assert.is_false(user:isDirty("balance"))
        user.balance = 2
        assert.is_true(user:isDirty("balance"))
    end)

    it("JSON that is changed in place is dirty, and saved", function()
        local user = User:create({ name = "Ada", settings = { theme = "dark", tags = { "a" } } })
        user.settings.theme = "light"
        assert.is_true(user:isDirty("settings"))
        assert.equal("dark", user:getOriginal("settings").theme)
        user:save()
        assert.is_false(user:isDirty())
        local found = User:find(user.id)
        assert.equal("light", found.settings.theme)
        assert.is_false(found:isDirty())
        table.insert(found.settings.tags, "b")
        assert.is_true(found:isDirty())
        found:save()
        assert.same({ "a", "b" }, { table.unpack(User:find(user.id).settings.tags) })
    end)

    it("JSON that says the same is not dirty, until it is changed in place", function()
        local user = User:create({ name = "Ada", settings = { theme = "dark" } })
        local settings = { theme = "dark" }
        user.settings = settings
        assert.is_false(user:isDirty())
        settings.theme = "light"
        assert.is_true(user:isDirty())
        user:save()
        assert.equal("light", User:find(user.id).settings.theme)
        local part = User:select("id"):first()
        part.settings = null
        part:save()
        assert.is_nil(User:find(user.id).settings)
    end)

    -- }}}
    -- {{{ names and NULL

    it("unknown names raise with the nearest", function()
        local user = User:create({ name = "Ada" })
        local cases = {
            function()
                return user.emial
            end,
            function()
                user.emial = "x"
            end,
            function()
                User:create({ name = "x", emial = "x" })
            end,
            function()
                user:update({ emial = "x" })
            end,
            function()
                User:where("emial", "x")
            end,
            function()
                User:orderBy("emial"):get()
            end,
            function()
                User:select("emial")
            end,
            function()
                User:insert({ name = "x", emial = "x" })
            end,
            function()
                User:pluck("emial")
            end,
            function()
                User:updateById(user.id, { emial = "x" })
            end,
        }
        for i, case in ipairs(cases) do
            local ok, err = pcall(case)
            assert.is_false(ok, i)
            assert.equal("misuse", err.kind, i)
            assert.matches("emial", err.message, 1, true)
            assert.matches("email", err.message, 1, true)
        end
    end)

    it("NULL, not selected and unknown are three things", function()
        User:create({ name = "Ada", email = "ada@example.org" })
        local user = User:select("id", "age"):first()
        assert.is_nil(user.age)
        assert.is_true(user:isNull("age"))
        local err = failure(function()
            return user.email
        end)
        assert.equal("misuse", err.kind)
        assert.matches("select", err.message)
        err = failure(function()
            return user.settings
        end)
        assert.matches("settings was not selected", err.message, 1, true)
        err = failure(function()
            return user.nothing
        end)
        assert.not_matches("select", err.message)
    end)

    it("a record with some columns is saved by those", function()
        User:create({ name = "Ada", age = 36 })
        local user = User:select("id", "name"):first()
        user.name = "Grace"
        user:save()
        assert.equal("Grace", User:first().name)
        assert.equal(36, User:first().age)
    end)

    -- }}}
    -- {{{ records as tables

    it("records of a collection are the same object each time", function()
        User:create({ name = "Ada" })
        User:create({ name = "Grace" })
        local users = User:orderBy("id"):get()
        local first = users[1]
        first.name = "changed"
        assert.is_true(rawequal(first, users[1]))
        assert.equal("changed", users[1].name)
        for i, user in ipairs(users) do
            assert.is_true(rawequal(user, users[i]))
        end
        first = nil
        collectgarbage()
        assert.equal("changed", users[1].name)
        assert.is_nil(users[3])
        assert.is_nil(first)
    end)

    it("pairs, toTable and toJson", function()
        local user = Tag:create({ code = "a", label = null })
        local seen = {}
        for name, value in pairs(user) do
            seen[name] = value
        end
        assert.equal("a", seen.code)
        assert.same({ code = "a" }, user:toTable())
        assert.same({ code = "a" }, Tag:first():toTable())
        assert.equal('{"code":"a","label":null}', (Tag:first():toJson()))
    end)

    -- }}}
end, "documents")
