-- SPDX-License-Identifier: MIT
--
-- datetime_spec.lua - moments in UTC: text, calendar, arithmetic.

local datetime = require("eloquent.core.datetime")
local errors = require("eloquent.core.errors")
local null = require("eloquent.core.null")

local function fails(kind, pattern, fn, ...)
    local ok, err = pcall(fn, ...)
    assert.is_false(ok)
    assert.is_true(errors.is(err, kind), tostring(err))
    assert.matches(pattern, err.message)
end

local function text(...)
    return tostring(datetime(...))
end

describe("datetime", function()
    it("reads and prints ISO 8601", function()
        assert.equal("2024-05-01T12:00:00Z", text("2024-05-01T12:00:00Z"))
        assert.equal("2024-05-01T12:00:00.000001Z", text("2024-05-01 12:00:00.000001"))
        assert.equal("2024-05-01T10:00:00.500000Z", text("2024-05-01T12:00:00.5+02:00"))
        assert.equal("2024-05-01T00:00:00Z", text("2024-05-01"))
        assert.equal("0001-01-01T00:00:00Z", text("0001-01-01T00:00:00Z"))
        assert.equal("9999-12-31T23:59:59.999999Z", text("9999-12-31T23:59:59.999999Z"))
    end)

    it("is made from fields", function()
        assert.equal("2024-02-29T00:00:00Z", text({ year = 2024, month = 2, day = 29 }))
        assert.equal("2024-02-29T23:59:58.000007Z", text({
            year = 2024, month = 2, day = 29, hour = 23, minute = 59, second = 58, micro = 7,
        }))
        fails("value", "no such day", datetime, { year = 2023, month = 2, day = 29 })
        fails("value", "no such day", datetime, { year = 0, month = 1, day = 1 })
        fails("value", "integer", datetime, { year = 2023, month = 1.5, day = 1 })
        fails("misuse", "required", datetime, { year = 2023 })
        fails("misuse", "unknown field 'min'", datetime,
              { year = 2023, month = 1, day = 1, min = 1 })
    end)

    it("refuses what is no moment", function()
        for _, bad in ipairs({ "", "yesterday", "2024-13-01", "2024-02-30", "0000-01-01",
                               "10000-01-01", "2024-05-01T24:00:00Z",
                               "2024-05-01T12:00:00.1234567Z" }) do
            fails("value", "no moment", datetime, bad)
        end
        fails("value", "fromUnix", datetime, 5)
        fails("value", "got null", datetime, null)
    end)

    it("counts from 1970", function()
        assert.equal("1970-01-01T00:00:00Z", tostring(datetime.fromUnix(0)))
        assert.equal("1969-12-31T23:59:59Z", tostring(datetime.fromUnix(-1)))
        assert.equal("1970-01-01T00:00:00.000250Z", tostring(datetime.fromUnix(0, 250)))
        assert.equal("1970-01-01T00:00:00.500000Z", tostring(datetime.fromUnix(0.5)))
        assert.equal(1714564800, datetime("2024-05-01T12:00:00Z").unix)
        assert.equal(-1, datetime("1969-12-31T23:59:59.5Z").unix)
        fails("value", "years 1 to 9999", datetime.fromUnix, math.maxinteger)
        fails("value", "years 1 to 9999", datetime.fromUnix, 1e300)
        fails("value", "years 1 to 9999", datetime.fromUnix, 0 / 0)
    end)

    it("has fields", function()
        local t = datetime("2024-12-31T23:59:58.000007Z")
        assert.same({ 2024, 12, 31, 23, 59, 58, 7, 2, 366 },
                    { t.year, t.month, t.day, t.hour, t.minute, t.second, t.micro, t.weekday,
                      t.yearday })
        fails("misuse", "no field 'min'", function() return t.min end)
        fails("misuse", "cannot be changed", function() t.year = 2025 end)
        assert.equal("2024-12-31", t:date())
        assert.equal("23:59:58.000007", t:time())
        assert.equal("12:00:00", datetime("2024-05-01T12:00:00Z"):time())
    end)

    it("compares", function()
        local a, b = datetime("2024-05-01T12:00:00Z"), datetime("2024-05-01T12:00:00.000001Z")
        assert.is_true(a == datetime("2024-05-01T14:00:00+02:00"))
        assert.is_true(a ~= b)
        assert.is_true(a < b and a <= b and b > a)
        fails("value", "got string", function() return a < "2024-05-01" end)
        fails("value", "got number", function() return 5 < a end)
    end)

    it("moves by seconds", function()
        local t = datetime("2024-02-28T23:59:59Z")
        assert.equal("2024-02-29T00:00:00Z", tostring(t + 1))
        assert.equal("2024-02-29T00:00:00Z", tostring(1 + t))
        assert.equal("2024-02-28T23:59:58.900000Z", tostring(t - 0.1))
        assert.equal("2024-02-28T23:59:59.000001Z", tostring(t + 1e-6))
        assert.equal("2024-02-28T23:59:59.000001Z", tostring(t + 0.0000014))
        fails("value", "years 1 to 9999", function() return t + 1e12 end)
        fails("value", "years 1 to 9999", function() return t + math.maxinteger end)
        fails("value", "years 1 to 9999", function() return t - math.mininteger end)
        fails("value", "got string", function() return t + "1" end)
        assert.has_error(function() return 1 - t end)
    end)

    it("measures", function()
        local a, b = datetime("2024-05-01T12:00:00Z"), datetime("2024-05-01T12:01:30Z")
        assert.equal(90, b - a)
        assert.equal("integer", math.type(b - a))
        assert.equal(-90, a - b)
        assert.equal(0.5, (a + 0.5) - a)
        assert.equal(1, b:diff(a, "minutes"))
        assert.equal(-1, a:diff(b, "minutes"))
        assert.equal(90, b:diff(a))
        local first, last = datetime("0001-01-01"), datetime("9999-12-31T23:59:59.999999Z")
        assert.equal(315537897599999999, last:diff(first, "microseconds"))
        assert.equal(9998, last:diff(first, "years"))
        assert.equal(-119987, first:diff(last, "months"))
        assert.equal(1, datetime("2024-02-29"):diff(datetime("2024-01-31"), "months"))
        assert.equal(0, datetime("2024-02-28"):diff(datetime("2024-01-31"), "months"))
        assert.equal(1, datetime("2024-03-31"):diff(datetime("2024-02-29"), "months"))
        assert.has_error(function() return a:diff(b, "fortnights") end)
    end)

    it("adds units, keeping to the month's end", function()
        local t = datetime("2024-01-31T12:00:00Z")
        assert.equal("2024-02-29T12:00:00Z", tostring(t:add({ months = 1 })))
        assert.equal("2023-12-31T12:00:00Z", tostring(t:add({ months = -1 })))
        assert.equal("2025-01-31T12:00:00Z", tostring(t:add({ years = 1 })))
        assert.equal("2024-02-07T12:00:00Z", tostring(t:add({ weeks = 1 })))
        assert.equal("2024-03-01T13:01:01.500000Z", tostring(t:add({
            months = 1, days = 1, hours = 1, minutes = 1, seconds = 1.5,
        })))
        assert.equal("2024-01-31T12:00:00.001002Z",
                     tostring(t:add({ milliseconds = 1, microseconds = 2 })))
        assert.equal(tostring(t), tostring(t:add({})))
        fails("misuse", "unknown unit 'month'", function() return t:add({ month = 1 }) end)
        fails("value", "integer", function() return t:add({ days = 0.5 }) end)
        fails("value", "years 1 to 9999", function() return t:add({ years = 9000 }) end)
        fails("value", "years 1 to 9999", function()
            return t:add({ days = math.maxinteger })
        end)
        fails("value", "years 1 to 9999", function()
            return t:add({ months = math.maxinteger })
        end)
    end)

    it("finds the start of a unit", function()
        local t = datetime("2024-05-01T12:34:56.789123Z") -- a Wednesday
        local expected = {
            millisecond = "2024-05-01T12:34:56.789000Z",
            second = "2024-05-01T12:34:56Z", minute = "2024-05-01T12:34:00Z",
            hour = "2024-05-01T12:00:00Z", day = "2024-05-01T00:00:00Z",
            week = "2024-04-29T00:00:00Z", month = "2024-05-01T00:00:00Z",
            year = "2024-01-01T00:00:00Z",
        }
        for unit, start in pairs(expected) do
            assert.equal(start, tostring(t:startOf(unit)))
        end
        assert.equal("1969-12-31T00:00:00Z",
                     tostring(datetime("1969-12-31T23:59:59.5Z"):startOf("day")))
        assert.equal("1969-12-31T23:59:59.998000Z",
                     tostring(datetime("1969-12-31T23:59:59.998765Z"):startOf("millisecond")))
        assert.equal("2024-05-01T12:34:56.789999Z", tostring(t:endOf("millisecond")))
        for _, unit in ipairs({ "decade", "seconds", 5 }) do
            for _, verb in ipairs({ "startOf", "endOf" }) do
                fails("misuse", ("%s: unknown unit '%s'; known are year"):format(verb, unit), function()
                    return t[verb](t, unit)
                end)
            end
        end
    end)

    it("finds the end of a unit, its last microsecond", function()
        local t = datetime("2024-02-28T12:34:56.789Z") -- a Wednesday
        for unit, last in pairs({
            second = "2024-02-28T12:34:56", minute = "2024-02-28T12:34:59", hour = "2024-02-28T12:59:59",
            day = "2024-02-28T23:59:59", week = "2024-03-03T23:59:59", month = "2024-02-29T23:59:59",
            year = "2024-12-31T23:59:59",
        }) do
            assert.equal(last .. ".999999Z", tostring(t:endOf(unit)))
            assert.equal(t:startOf(unit), t:endOf(unit):startOf(unit))
            assert.equal(t:endOf(unit), t:startOf(unit):endOf(unit))
            assert.is_false(t:endOf(unit) + 1e-6 == t:startOf(unit))
        end
        for month = 1, 12 do
            for _, year in ipairs({ 1, 1900, 2000, 2023, 2024, 9999 }) do
                local first = datetime({ year = year, month = month, day = 1 })
                local last = first:endOf("month")
                assert.equal(month, last.month)
                assert.is_true(last == datetime("9999-12-31T23:59:59.999999Z") or (last + 1e-6).day == 1)
                assert.equal(year .. "-12-31", ("%d-%02d-%02d"):format(first:endOf("year").year,
                    first:endOf("year").month, first:endOf("year").day))
            end
        end
        assert.equal("9999-12-26T23:59:59.999999Z", tostring(datetime("9999-12-26T23:59:59.999999"):endOf("week")))
        for _, last in ipairs({ "9999-12-27", "9999-12-31", "9999-12-31T23:59:59.999999" }) do -- nothing is later
            for _, unit in ipairs({ "week", "month", "year" }) do
                assert.equal("9999-12-31T23:59:59.999999Z", tostring(datetime(last):endOf(unit)))
            end
        end
        for _, unit in ipairs({ "second", "minute", "hour", "day" }) do
            local last = datetime("9999-12-31T23:59:59")
            assert.equal("9999-12-31T23:59:59.999999Z", tostring(last:endOf(unit)))
        end
        assert.has_error(function() return t:endOf("decade") end)
    end)

    it("formats by strftime's conversions", function()
        local t = datetime("2024-05-01T00:04:05.000678Z")
        assert.equal("2024-05-01 00:04:05.000678", t:format("%Y-%m-%d %H:%M:%S.%f"))
        assert.equal("Wed Wednesday May May 24  1", t:format("%a %A %b %B %y %e"))
        assert.equal("12 AM 122 3 3 18 2024", t:format("%I %p %j %u %w %V %G"))
        assert.equal("2024-05-01T00:04:05+0000 UTC 100%", t:format("%FT%T%z %Z 100%%"))
        assert.equal("00:04 1714521845", t:format("%R %s"))
        assert.equal("12 PM", datetime("2024-05-01T12:00:00Z"):format("%I %p"))
        assert.equal("\0", t:format("\0"))
        fails("misuse", "unknown conversion '%%Q'", function() return t:format("%Q") end)
        fails("misuse", "single %%", function() return t:format("%Y%") end)
    end)

    it("counts ISO weeks over the year's end", function()
        for date, week in pairs({
            ["2021-01-03"] = "2020-53", ["2021-01-04"] = "2021-01", ["2024-12-30"] = "2025-01",
            ["2022-01-01"] = "2021-52", ["2020-12-31"] = "2020-53", ["2023-01-01"] = "2022-52",
            ["9999-12-31"] = "9999-52", ["0001-01-01"] = "0001-01",
        }) do
            assert.equal(week, datetime(date):format("%G-%V"))
        end
    end)

    it("asks the clock, or stands still", function()
        local before = os.time()
        local now = datetime.now()
        assert.is_true(now.unix >= before and now.unix <= os.time())
        datetime.freeze(datetime("2024-05-01"))
        assert.equal("2024-05-01T00:00:00Z", tostring(datetime.now()))
        datetime.freeze(nil)
        assert.is_true(datetime.now() >= now)
    end)

    it("joins text and hides its metatable", function()
        local t = datetime("2024-05-01")
        assert.equal("at 2024-05-01T00:00:00Z", "at " .. t)
        assert.equal("eloquent.DateTime", getmetatable(t))
        assert.is_true(datetime.is(t))
        assert.is_false(datetime.is("2024-05-01"))
    end)
end)
