-- SPDX-License-Identifier: MIT
--
-- decimal_spec.lua - the decimal userdata as scripts see it.  The digits themselves are
-- tested in spec/c/decimal_spec.c.

local decimal = require("eloquent.core.decimal")
local errors = require("eloquent.core.errors")
local null = require("eloquent.core.null")

local function fails(kind, pattern, fn, ...)
    local ok, err = pcall(fn, ...)
    assert.is_false(ok)
    assert.is_true(errors.is(err, kind), tostring(err))
    assert.matches(pattern, err.message)
    return err
end

describe("decimal", function()
    it("keeps the scale of its text", function()
        for text, printed in pairs({
            ["12.30"] = "12.30", ["-12.30"] = "-12.30", ["+1"] = "1", [".5"] = "0.5",
            ["1e5"] = "100000", ["1.5E-3"] = "0.0015", ["-0.00"] = "0.00", ["007"] = "7",
        }) do
            assert.equal(printed, tostring(decimal(text)))
        end
        assert.equal(2, decimal("12.30"):scale())
        assert.equal(4, decimal("12.30"):precision())
    end)

    it("is made from integers and decimals, never from floats", function()
        assert.equal("-9223372036854775808", tostring(decimal(math.mininteger)))
        local d = decimal("1.10")
        assert.equal("1.10", tostring(decimal(d)))
        fails("value", "float", decimal, 0.1)
        fails("value", "got nil", decimal, nil)
        fails("value", "got null", decimal, null)
        fails("value", "got table", decimal, {})
    end)

    it("refuses text that is no number, without repeating it", function()
        for _, text in ipairs({ "", "12abc", "NaN", " 1", "1,5", "0x10", "1e", "secret" }) do
            local err = fails("value", "no decimal number", decimal, text)
            assert.is_nil(err.message:find("secret", 1, true))
        end
        fails("value", "too long", decimal, "1e999999")
    end)

    it("adds, subtracts and multiplies exactly", function()
        assert.equal("0.3", tostring(decimal("0.1") + decimal("0.2")))
        assert.equal("12.30", tostring(decimal("12.30") + 0))
        assert.equal("-9.30", tostring(3 - decimal("12.30")))
        assert.equal("2.750", tostring(decimal("1.10") * decimal("2.5")))
        assert.equal("-1.50", tostring(-decimal("1.50")))
        assert.equal("0.00", tostring(-decimal("0.00")))
        assert.equal("18446744073709551616", tostring(decimal("18446744073709551615") + 1))
        local sum = decimal("0.00")
        for _ = 1, 1000 do
            sum = sum + decimal("0.10")
        end
        assert.equal("100.00", tostring(sum))
    end)

    it("works with thousands of digits", function()
        local n = decimal(("7"):rep(5000))
        assert.equal(n, (n * n):div(n, 0))
        assert.equal(("7"):rep(4999) .. "6", tostring(n - 1))
    end)

    it("refuses floats and other operands", function()
        local d = decimal("1.50")
        fails("value", "float", function() return d + 0.5 end)
        fails("value", "float", function() return 2.0 * d end)
        fails("value", "float", function() return d < 0.5 end)
        fails("value", "got string", function() return d + "1" end)
        fails("value", "got string", function() return "1" - d end)
        fails("value", "got null", function() return d + null end)
        fails("value", "float", function() return d:div(0.5, 2) end)
    end)

    it("divides by div, with a scale and a way to round", function()
        assert.equal("0.33", tostring(decimal(1):div(3, 2)))
        assert.equal("0.67", tostring(decimal(2):div(decimal("3.0"), 2)))
        assert.equal("0.13", tostring(decimal("0.125"):div(1, 2)))
        assert.equal("0.12", tostring(decimal("0.125"):div(1, 2, "half_even")))
        assert.equal("-0.66", tostring(decimal(-2):div(3, 2, "down")))
        fails("value", "division by zero", function() return decimal(1):div(0, 2) end)
        fails("value", "scale", function() return decimal(1):div(3, -1) end)
        assert.has_error(function() return decimal(1):div(3) end)
        assert.has_error(function() return decimal(1):div(3, 2, "sideways") end)
        fails("misuse", ":div%(", function() return decimal(1) / 2 end)
        fails("misuse", ":div%(", function() return 1 / decimal(2) end)
    end)

    it("has the whole part of a quotient and the rest, as Lua has them for numbers", function()
        for _, pair in ipairs({ { 7, 3 }, { -7, 3 }, { 7, -3 }, { -7, -3 }, { 6, 3 }, { -6, 3 }, { 0, 5 } }) do
            local a, b = pair[1], pair[2]
            assert.equal(tostring(a // b), tostring(decimal(a) // b))
            assert.equal(tostring(a % b), tostring(decimal(a) % b))
            assert.equal(tostring(a // b), tostring(a // decimal(b)))
            assert.equal(tostring(a % b), tostring(a % decimal(b)))
        end
        assert.equal("0.10", tostring(decimal("5.35") % decimal("0.25")))
        assert.equal("21", tostring(decimal("5.35") // decimal("0.25")))
        assert.equal("0.15", tostring(decimal("-5.35") % decimal("0.25")))
        local n, m = decimal(("9"):rep(80) .. ".5"), decimal("-123456789012345678901234567890.25")
        assert.equal(n, (n // m) * m + n % m)
        fails("value", "division by zero", function() return decimal(1) // 0 end)
        fails("value", "division by zero", function() return decimal(1) % decimal("0.00") end)
        fails("value", "float", function() return decimal(1) % 0.5 end)
    end)

    it("has powers with whole exponents", function()
        assert.equal("1.331", tostring(decimal("1.1") ^ 3))
        assert.equal("-0.125", tostring(decimal("-0.5") ^ 3))
        assert.equal("1", tostring(decimal("7.25") ^ 0))
        assert.equal("0", tostring(decimal(0) ^ 5))
        assert.equal("1267650600228229401496703205376", tostring(decimal(2) ^ 100))
        assert.equal("1", tostring(decimal(1) ^ math.maxinteger))
        fails("value", "0 or above, got %-1", function() return decimal(2) ^ -1 end)
        fails("value", "power of an integer", function() return decimal(2) ^ 0.5 end)
        fails("value", "power of an integer", function() return 2 ^ decimal(2) end)
        fails("value", "power of an integer", function() return decimal(2) ^ "2" end)
        fails("value", "before the point", function() return decimal(10) ^ 200000 end)
        fails("value", "after the point", function() return decimal("0.1") ^ 20000 end)
    end)

    it("compares by value with decimals and integers", function()
        assert.is_true(decimal("12.30") == decimal("12.3"))
        assert.is_false(decimal("12.30") == decimal("12.31"))
        assert.is_false(decimal("5") == 5) -- Lua never asks userdata here
        assert.equal(0, decimal("5.0"):compare(5))
        assert.equal(-1, decimal("4.9"):compare(5))
        assert.is_true(decimal("9.5") < decimal("10.25"))
        assert.is_true(decimal("12.30") < 13)
        assert.is_true(12 <= decimal("12.00"))
        assert.is_true(decimal("-1") < 0)
        local list = { decimal("10.25"), decimal("-3"), decimal("9.5") }
        table.sort(list)
        assert.equal("-3 9.5 10.25", table.concat({ tostring(list[1]), tostring(list[2]),
                                                    tostring(list[3]) }, " "))
    end)

    it("rounds", function()
        assert.equal("2.35", tostring(decimal("2.345"):round(2)))
        assert.equal("2.34", tostring(decimal("2.345"):round(2, "half_even")))
        assert.equal("2.34", tostring(decimal("2.349"):round(2, "down")))
        assert.equal("-3", tostring(decimal("-2.5"):round()))
        for mode, expected in pairs({
            half_up = "3 2 -3 -2 2", half_even = "2 2 -2 -2 2", down = "2 2 -2 -2 2", up = "3 3 -3 -3 2",
            floor = "2 2 -3 -3 2", ceiling = "3 3 -2 -2 2",
        }) do
            local got = {}
            for i, text in ipairs({ "2.5", "2.1", "-2.5", "-2.1", "2.0" }) do
                got[i] = tostring(decimal(text):round(0, mode))
            end
            assert.equal(expected, table.concat(got, " "))
        end
        assert.equal("-0.34", tostring(decimal(-1):div(3, 2, "floor")))
        assert.equal("0.34", tostring(decimal(1):div(3, 2, "up")))
        assert.equal("0", tostring(decimal("-0.3"):round(0, "ceiling")))
        assert.equal("2.500", tostring(decimal("2.5"):round(3)))
        assert.equal("2.5", tostring(decimal("-2.5"):abs()))
        assert.equal(-1, decimal("-0.1"):sign())
        assert.equal(0, decimal("0.00"):sign())
    end)

    it("becomes an integer or a float only when asked", function()
        assert.equal(12, decimal("12.00"):tointeger())
        assert.equal("integer", math.type(decimal("12"):tointeger()))
        fails("value", "whole number", function() return decimal("12.5"):tointeger() end)
        fails("value", "64 bits", function() return decimal("1e19"):tointeger() end)
        assert.equal("float", math.type(decimal("12"):tonumber()))
        assert.equal(0.1, decimal("0.1"):tonumber())
        fails("value", "too large", function() return decimal("1e999"):tonumber() end)
    end)

    it("joins text", function()
        assert.equal("EUR 12.30", "EUR " .. decimal("12.30"))
        assert.equal("12.30 EUR", decimal("12.30") .. " EUR")
        assert.equal("1.02", decimal("1.0") .. 2)
        assert.has_error(function() return decimal("1") .. nil end)
    end)

    it("cannot be changed or taken apart", function()
        local d = decimal("1")
        fails("misuse", "cannot be changed", function() d.x = 1 end)
        assert.equal("eloquent.Decimal", getmetatable(d))
        assert.is_nil(d.__add)
        assert.is_true(decimal.is(d))
        assert.is_false(decimal.is("1"))
        assert.has_error(function() return d.abs(io.stdout) end)
    end)
end)
