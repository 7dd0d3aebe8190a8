-- SPDX-License-Identifier: MIT
--
-- json_spec.lua - JSON both ways: kinds of tables, exact numbers, text, refusals.

local datetime = require("eloquent.core.datetime")
local decimal = require("eloquent.core.decimal")
local errors = require("eloquent.core.errors")
local json = require("eloquent.core.json")
local null = require("eloquent.core.null")
local objectid = require("eloquent.core.objectid")

local function fails(pattern, fn, ...)
    local ok, err = pcall(fn, ...)
    assert.is_false(ok)
    assert.is_true(errors.is(err, "value"), tostring(err))
    assert.matches(pattern, err.message)
    return err
end

local function round_trip(text)
    return json.encode(json.decode(text))
end

describe("json", function()
    it("keeps what is written in its own form", function()
        for _, text in ipairs({
            "null", "true", "false", "0", "-1", '""', "[]", "{}", "[[],{}]", "[null]",
            '{"a":null}', '{"a":[1,2,{"b":[]}],"c":"x"}', "9223372036854775807",
            "-9223372036854775808", "1.0", "-0.0", "0.1", "1e+100", "1.5e-07", "5e-324",
            "1.7976931348623157e+308", "123456789.123456789", "18446744073709551615",
            "0.1234567890123456789", "12345678901234567890.5", '"\\u0000"',
            '"\\"\\\\/\\b\\f\\n\\r\\t"',
            '"\\u001f\127é€😀"',
        }) do
            assert.equal(text, round_trip(text))
        end
    end)

    it("tells arrays from objects, also when empty", function()
        assert.equal("array", json.kind(json.decode("[]")))
        assert.equal("object", json.kind(json.decode("{}")))
        assert.equal("{}", json.encode({}))
        assert.equal("[]", json.encode(json.array()))
        assert.equal("[1,2]", json.encode(json.array({ 1, 2 })))
        assert.equal("{}", json.encode(json.object({})))
        assert.equal("[1,2]", json.encode({ 1, 2 }))
        assert.equal('{"a":1}', json.encode({ a = 1 }))
        assert.equal("eloquent.JsonArray", getmetatable(json.array()))
        assert.equal("eloquent.JsonObject", getmetatable(json.object()))
        assert.equal("object", json.kind(json.object(json.array())))
        assert.is_nil(json.kind({ 1, a = 2 }))
        assert.is_nil(json.kind("x"))
        local list = json.decode("[1]")
        list[2] = "x"
        assert.equal('[1,"x"]', json.encode(list))
        list[1], list[2] = nil, nil
        assert.equal("[]", json.encode(list))
        local ok, err = pcall(json.array, setmetatable({}, {}))
        assert.is_false(ok)
        assert.is_true(errors.is(err, "misuse"))
    end)

    it("reads numbers without loss", function()
        assert.equal("integer", math.type(json.decode("12")))
        assert.equal("float", math.type(json.decode("12.0")))
        assert.equal("float", math.type(json.decode("1e2")))
        -- as a float it would be 123456789012345680
        assert.equal(123456789012345678, json.decode("123456789012345678e0"))
        assert.equal("integer", math.type(json.decode("123456789012345678e0")))
        assert.equal(0.1, json.decode("0.1"))
        assert.equal(0.1, json.decode("0.10"))
        assert.equal("float", math.type(json.decode("0e-99999")))
        for text, printed in pairs({
            ["9223372036854775808"] = "9223372036854775808",
            ["-9223372036854775809"] = "-9223372036854775809",
            ["0.30000000000000000001"] = "0.30000000000000000001",
            ["1e400"] = "1" .. ("0"):rep(400),
            ["123456789012345678.5"] = "123456789012345678.5",
            ["1e-400"] = "0." .. ("0"):rep(399) .. "1",
        }) do
            local d = json.decode(text)
            assert.is_true(decimal.is(d), text)
            assert.equal(printed, tostring(d))
        end
        fails("too long", json.decode, "1e999999")
    end)

    it("prints the shortest float that reads back", function()
        assert.equal("[0.1,0.30000000000000004,1.0,100.0,1e+15,1e+22]",
                     json.encode({ 0.1, 0.1 + 0.2, 1.0, 1e2, 1e15, 1e22 }))
        for _, x in ipairs({ 1 / 3, 2 / 3, 1e-300 / 7, 4.35, 2.5e15, 123456.789e3 }) do
            assert.equal(x, json.decode(json.encode(x)))
        end
    end)

    it("does not depend on the locale's decimal point", function()
        local before = os.setlocale(nil, "numeric")
        local changed = false
        for _, name in ipairs({ "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "de_DE.utf8" }) do
            changed = changed or os.setlocale(name, "numeric") ~= nil
        end
        local text, value = json.encode(0.5), json.decode("0.25")
        os.setlocale(before, "numeric")
        assert.equal("0.5", text)
        assert.equal(0.25, value)
    end)

    it("writes the value types", function()
        assert.equal('{"at":"2024-05-01T00:00:00Z","id":"507f1f77bcf86cd799439011",'
                         .. '"none":null,"price":12.30}',
                     json.encode({
                         price = decimal("12.30"), at = datetime("2024-05-01"), none = null,
                         id = objectid("507F1F77BCF86CD799439011"),
                     }))
    end)

    it("sorts keys by their bytes and may indent", function()
        local value = { b = 1, a = { 1, { x = json.array() } }, ["é"] = 2, B = 3, [""] = 4 }
        assert.equal('{"":4,"B":3,"a":[1,{"x":[]}],"b":1,"é":2}', json.encode(value))
        assert.equal('{\n  "a": [\n    1\n  ],\n  "b": {}\n}',
                     json.encode({ a = { 1 }, b = {} }, { pretty = true }))
        local many = {}
        for i = 1, 100 do
            many["k" .. i] = i
        end
        local text = json.encode(many)
        assert.equal(text, round_trip(text))
        assert.equal(json.decode(json.encode(many, { sorted = false })).k57, 57)
        assert.has_error(function() json.encode({}, { indent = 2 }) end)
    end)

    it("keeps the last of equal keys", function()
        assert.equal('{"a":2}', round_trip('{"a":1,"a":2}'))
    end)

    it("reads escapes and keeps every character", function()
        assert.equal("é€😀\0/", json.decode('"\\u00e9\\u20AC\\uD83D\\uDE00\\u0000\\/"'))
        for _, text in ipairs({ '"\\uD83D"', '"\\uDE00"', '"\\uD83Dx"', '"\\uD83D\\u0041"',
                                '"\\\\\\uDE00"' }) do
            fails("surrogate", json.decode, text)
        end
        assert.equal("\\uDE00", json.decode('"\\\\uDE00"'))
        local long = ("x\\n"):rep(20000)
        assert.equal(("x\n"):rep(20000), json.decode('"' .. long .. '"'))
    end)

    it("refuses malformed text, without repeating it", function()
        for _, text in ipairs({
            "", " ", "nul", "[1,]", "[1", "{", '{"a"}', '{"a":}', "{a:1}", "'a'", "01", "1.",
            ".5", "+1", "NaN", "Infinity", '"\n"', "[1] 2", '"\\x"', "/**/1", "secret", "-",
            "\239\187\191[]",
        }) do
            local err = fails("malformed", json.decode, text)
            assert.is_nil(err.message:find("secret", 1, true))
        end
        for _, text in ipairs({ '"\xff"', '"\xc0\x80"', '"\xed\xa0\x80"' }) do
            fails("UTF%-8", json.decode, text)
        end
        assert.has_error(function() json.decode(12) end)
        assert.has_error(function() json.decode(nil) end)
    end)

    it("names the path of what it cannot write", function()
        fails("%$%.a%[2%]: it is a function", json.encode, { a = { 1, print } })
        fails("%$%[1%]: it is an infinite float", json.encode, { 1 / 0 })
        fails("%$: it is an infinite float or not a number", json.encode, 0 / 0)
        fails("hole", json.encode, { a = { 1, nil, 3 } })
        fails("%$%.a: it is marked as an array", json.encode, { a = json.array({ x = 1 }) })
        fails("marked as an object", json.encode, json.object({ 1 }))
        fails("neither all strings nor 1 to n", json.encode, { 1, x = 2 })
        fails("neither all strings nor 1 to n", json.encode, { [1.5] = 2 })
        fails("not valid UTF%-8", json.encode, { a = "\xff" })
        fails("key that is not valid UTF%-8", json.encode, { ["\xff"] = 1 })
        fails("userdata of another type", json.encode, { io.stdout })
        fails("%$: it is nil", json.encode, nil)
    end)

    it("stops at cycles and at 512 levels", function()
        local loop = { a = {} }
        loop.a.b = loop
        fails("%$%.a%.b: it contains itself", json.encode, loop)
        local shared = { 1 }
        assert.equal("[[1],[1]]", json.encode({ shared, shared }))
        local deep = ("["):rep(512) .. ("]"):rep(512)
        assert.equal(deep, round_trip(deep))
        fails("512 levels", json.decode, "[" .. deep .. "]")
        fails("512 levels", json.decode, ('{"a":'):rep(513) .. "1" .. ("}"):rep(513))
        fails("512 levels", json.encode, json.array({ json.decode(deep) }))
        fails("512 levels", json.decode, ("["):rep(1000000))
        local other = { a = {} }
        other.a.b = other
        fails("cycle", json.equals, loop, other)
    end)

    it("compares by structure", function()
        local function equal(a, b)
            return json.equals(json.decode(a), json.decode(b))
        end
        assert.is_true(equal('{"a":[1,{"b":null}],"c":0.5}', '{ "c":0.5, "a":[1, {"b":null}] }'))
        assert.is_false(equal("[]", "{}"))
        assert.is_true(json.equals({}, json.object()))
        assert.is_false(json.equals({}, json.array()))
        assert.is_false(equal("1", "1.0"))
        assert.is_false(equal("[1,2]", "[1,2,3]"))
        assert.is_false(equal("[1,2,3]", "[1,2]"))
        assert.is_false(equal('{"a":1}', '{"b":1}'))
        assert.is_false(equal('{"a":null}', "{}"))
        assert.is_false(equal("null", "false"))
        assert.is_true(equal("12345678901234567890", "12345678901234567890"))
        assert.is_false(equal("12345678901234567890", "12345678901234567891"))
        assert.is_true(json.equals(datetime("2024-05-01"), datetime("2024-05-01")))
    end)

    it("survives errors in the middle of big text", function()
        local row = '{"name":"x\\ny","list":[1,2.5,"z"],"n":12345678901234567890}'
        local good = "[" .. (row .. ","):rep(2000) .. row .. "]"
        assert.equal(2001, #json.decode(good))
        for _ = 1, 20 do
            fails("malformed", json.decode, good:sub(1, -2) .. "x")
        end
        collectgarbage()
        local before = collectgarbage("count")
        for _ = 1, 50 do
            pcall(json.decode, good:sub(1, -2) .. "x")
        end
        collectgarbage()
        assert.is_true(collectgarbage("count") - before < 200)
    end)
end)

describe("null", function()
    it("prints as null and is only itself", function()
        assert.equal("null", tostring(null))
        assert.is_true(json.decode("null") == null)
        assert.is_true(json.decode("[null]")[1] == null)
    end)
end)

describe("objectid", function()
    it("reads 24 digits, compares, tells its time", function()
        local id = objectid("507F1F77bcf86cd799439011")
        assert.equal("507f1f77bcf86cd799439011", tostring(id))
        assert.is_true(id == objectid("507f1f77bcf86cd799439011"))
        assert.is_true(id < objectid("507f1f77bcf86cd799439012"))
        assert.equal("2012-10-17T21:13:27Z", tostring(id:createdAt()))
        assert.is_true(objectid.is(id))
        fails("24 hexadecimal", objectid, "507f1f77bcf86cd79943901")
        fails("24 hexadecimal", objectid, "507f1f77bcf86cd79943901g")
        fails("24 hexadecimal", objectid, 12)
    end)
end)
