-- SPDX-License-Identifier: MIT
--
-- What every engine has to keep: for each column type the edges of what it takes, other
-- spellings of a value and how they are read back, and what is refused. The spec that
-- goes through it is values_spec.lua.

local eloquent = require("eloquent")

local column, decimal, datetime = eloquent.column, eloquent.decimal, eloquent.datetime
local null, json = eloquent.null, eloquent.json

---@class eloquent.ValueCase
---@field name string
---@field column eloquent.Column
---@field values any[]          written and read back the same
---@field given any[][]?        { written, read back }
---@field wrong any[]?          refused before anything is sent
---@field ordered any[]?        from the lowest to the highest, by the database as in Lua
---@field encoded boolean?      raw access writes it as the text of a JSON value
---@field type_told boolean?    false: the value is part of one of another type
---@field compares boolean?     false: no conditions on it
---@field wide boolean?         values are too long for whereIn and the like

local function bytes()
    local list = {}
    for i = 0, 255 do
        list[#list + 1] = string.char(i)
    end
    return table.concat(list)
end

local microseconds <const> = {
    datetime("2024-02-29T12:34:56.789012Z"), datetime("1969-12-31T23:59:59.999999Z"),
    datetime("2262-04-12T00:00:00.000001Z"), datetime("9999-12-31T23:59:59.999999Z"),
}
local ordered_microseconds <const> = {
    datetime("1969-12-31T23:59:59.999999Z"), datetime("1970-01-01T00:00:00Z"), datetime("2024-02-29T12:34:56Z"),
    datetime("2024-02-29T12:34:56.000001Z"), datetime("9999-12-31T23:59:59.999999Z"),
}
local infinity <const>, nan <const> = math.huge, 0 / 0

return {
    {
        name = "smallInteger",
        column = column("smallInteger"),
        values = { 0, 1, -1, 32767, -32768 },
        ordered = { -32768, -1, 0, 1, 9, 10, 32767 },
        given = { { "12", 12 }, { 5.0, 5 }, { decimal("7.00"), 7 } },
        wrong = { 32768, -32769, 1.5, "x", "1.0", "", true, {}, infinity, nan, decimal("1.5") },
    },
    {
        name = "integer",
        column = column("integer"),
        values = { 0, 1, -1, 2147483647, -2147483648 },
        ordered = { -2147483648, -10, -9, 0, 9, 10, 2147483647 },
        given = { { "-12", -12 }, { -0.0, 0 } },
        wrong = { 2147483648, -2147483649, 0.5, "0x10", " 1", "1e3", false, {}, "99999999999999999999" },
    },
    {
        name = "bigInteger",
        column = column("bigInteger"),
        values = { 0, -1, 9007199254740993, -9007199254740993, math.maxinteger, math.mininteger },
        ordered = {
            math.mininteger, math.mininteger + 1, -9007199254740993, -9007199254740992, 0, 9007199254740992,
            9007199254740993, math.maxinteger - 1, math.maxinteger,
        },
        given = {
            { "9223372036854775807", math.maxinteger },
            { "-9223372036854775808", math.mininteger },
            { decimal("9223372036854775807"), math.maxinteger },
        },
        wrong = { 2.0 ^ 63, "9223372036854775808", decimal("9223372036854775808"), 1.5, "", true },
    },
    {
        name = "unsigned smallInteger",
        column = column("smallInteger", nil, { unsigned = true }),
        values = { 0, 1, 65535 },
        wrong = { -1, 65536 },
    },
    {
        name = "unsigned integer",
        column = column("integer", nil, { unsigned = true }),
        values = { 0, 1, 4294967295 },
        wrong = { -1, 4294967296 },
    },
    {
        name = "unsigned bigInteger",
        column = column("bigInteger", nil, { unsigned = true }),
        values = { 0, 1, math.maxinteger },
        ordered = { 0, 9, 10, 9007199254740993, math.maxinteger - 1, math.maxinteger },
        wrong = { -1, math.mininteger, decimal("18446744073709551616") },
    },
    {
        name = "boolean",
        column = column("boolean"),
        values = { true, false },
        wrong = { 0, 1, "true", "t", "", {} },
    },
    {
        name = "float",
        column = column("float"),
        values = { 0.0, 0.1, -0.5, 1 / 3, 16777217.0, 3.4e38, 1e300 },
        given = { { 7, 7.0 } },
        wrong = { "1.5", true, {}, 9007199254740993 },
    },
    {
        name = "double",
        column = column("double"),
        values = {
            0.0, 0.1, -0.1, 1 / 3, 123456789.123456789, 9007199254740992.0, 1e22, 1e23,
            1.7976931348623157e308, -1.7976931348623157e308, 2.2250738585072014e-308, 5e-324, -5e-324,
        },
        ordered = {
            -1.7976931348623157e308, -1e22, -10.0, -9.5, -5e-324, 0.0, 5e-324, 2.2250738585072014e-308, 0.1, 1 / 3,
            9.5, 10.0, 1e22, 1.7976931348623157e308,
        },
        given = { { -9007199254740992, -9007199254740992.0 } },
        wrong = { "x", true, {}, math.maxinteger, decimal("0.1") },
    },
    {
        name = "double, the negative zero",
        column = column("double"),
        values = { -0.0 },
    },
    {
        name = "double, infinity",
        column = column("double"),
        values = { infinity, -infinity },
    },
    {
        name = "decimal(12,2)",
        column = column("decimal", nil, { precision = 12, scale = 2 }),
        values = {
            decimal("0.00"), decimal("0.01"), decimal("-0.01"), decimal("1.50"), decimal("9999999999.99"),
            decimal("-9999999999.99"),
        },
        ordered = {
            decimal("-9999999999.99"), decimal("-10.00"), decimal("-9.50"), decimal("-0.01"), decimal("0.00"),
            decimal("0.01"), decimal("0.10"), decimal("9.50"), decimal("10.00"), decimal("9999999999.99"),
        },
        given = {
            { "1.5", decimal("1.50") },
            { 5, decimal("5.00") },
            { decimal("2.5000"), decimal("2.50") },
            { "-0", decimal("0.00") },
            { "1e3", decimal("1000.00") },
        },
        wrong = { 0.5, "1.005", "10000000000.00", "x", "", "1.5.0", true, {}, decimal("0.001"), math.maxinteger },
    },
    {
        name = "decimal(34,10)",
        column = column("decimal", nil, { precision = 34, scale = 10 }),
        values = {
            decimal("0.0000000001"), decimal("999999999999999999999999.9999999999"),
            decimal("-999999999999999999999999.9999999999"),
        },
        ordered = {
            decimal("-999999999999999999999999.9999999999"), decimal("-999999999999999999999999.9999999998"),
            decimal("-0.0000000001"), decimal("0.0000000000"), decimal("0.0000000001"), decimal("0.0000000002"),
            decimal("999999999999999999999999.9999999999"),
        },
        given = { { "1e23", decimal("100000000000000000000000.0000000000") } },
        wrong = { decimal("1000000000000000000000000"), "0.00000000001" },
    },
    {
        name = "decimal(65,30)",
        column = column("decimal", nil, { precision = 65, scale = 30 }),
        values = {
            decimal("0.000000000000000000000000000001"),
            decimal("12345678901234567890123456789012345.123456789012345678901234567890"),
            decimal("-99999999999999999999999999999999999.999999999999999999999999999999"),
        },
        ordered = {
            decimal("-99999999999999999999999999999999999.999999999999999999999999999999"),
            decimal("-99999999999999999999999999999999999.999999999999999999999999999998"),
            decimal("-0.000000000000000000000000000001"), decimal("0.000000000000000000000000000000"),
            decimal("0.000000000000000000000000000001"), decimal("0.000000000000000000000000000002"),
            decimal("12345678901234567890123456789012345.123456789012345678901234567890"),
            decimal("12345678901234567890123456789012345.123456789012345678901234567891"),
        },
        wrong = { decimal("100000000000000000000000000000000000"), "0.0000000000000000000000000000001" },
    },
    {
        name = "decimal(20,0)",
        column = column("decimal", nil, { precision = 20, scale = 0 }),
        values = { decimal("0"), decimal("99999999999999999999"), decimal("-99999999999999999999") },
        given = { { math.mininteger, decimal("-9223372036854775808") } },
        wrong = { "0.5", "100000000000000000000" },
    },
    {
        name = "string(10)",
        column = column("string", 10),
        values = {
            "", " ", "a", "A", "ä€😀", ("😀"):rep(10), "a'b\"c\\d", "%_`[]", "a\tb\nc\r", "end  ", "  start", "NULL",
            "0", "1e3", "?", ":name", "$1", "-- x", "/* x */", "e\u{301}", "\u{e9}",
        },
        wrong = { "elevenchars", ("😀"):rep(11), "\xff", "a\xc3", 5, 1.5, true, {}, decimal("1") },
    },
    {
        name = "text",
        column = column("text"),
        values = { "", " ", "line\nline", "ä€😀", "\\", "\\n", "'" },
        wrong = { "\xff", "\xed\xa0\x80", 5, true, {} },
    },
    {
        name = "text with a zero byte",
        column = column("text"),
        values = { "\0", "a\0b", "a\0" },
    },
    {
        name = "text of 1 MB",
        column = column("text"),
        values = { ("x"):rep(1048576), ("€😀"):rep(150000), ("'\\\"\n"):rep(65536) },
        wide = true,
    },
    {
        name = "text of 10 MB",
        column = column("text"),
        values = { ("ä€😀\n"):rep(1048576) },
        wide = true,
    },
    {
        name = "binary",
        column = column("binary"),
        values = { "", "\0", "\0\0", "a\0b", "\xff\xfe", bytes(), "\\x00", "text", "'" },
        wrong = { 5, true, {} },
    },
    {
        name = "binary of 1 MB",
        column = column("binary"),
        values = { (bytes()):rep(4096), ("\0"):rep(1048576) },
        wide = true,
    },
    {
        name = "binary of 10 MB, zero bytes in it",
        column = column("binary"),
        values = { ("\0\xff\0\1\\'"):rep(1747627) },
        wide = true,
    },
    {
        name = "date",
        column = column("date"),
        values = { "2024-02-29", "1970-01-01", "1969-12-31", "1582-10-10", "9999-12-31", "0001-01-01" },
        ordered = { "0001-01-01", "1582-10-10", "1969-12-31", "1970-01-01", "2024-02-29", "9999-12-31" },
        given = { { datetime("2024-02-29T00:00:00Z"), "2024-02-29" } },
        wrong = {
            "2023-02-29", "2024-13-01", "0000-01-01", "2024-1-1", "2024-02-29T00:00:00Z", "today", "", 20240229,
            datetime("2024-02-29T10:00:00Z"), true,
        },
    },
    {
        name = "time",
        column = column("time"),
        values = { "00:00:00", "23:59:59", "12:00:00.000001", "23:59:59.999999", "12:00:00.500000" },
        ordered = {
            "00:00:00", "09:59:59", "10:00:00", "12:00:00", "12:00:00.000001", "12:00:00.500000", "23:59:59.999999",
        },
        given = { { "18:30", "18:30:00" }, { "12:00:00.5", "12:00:00.500000" } },
        wrong = { "24:00:00", "12:60", "noon", "", "-01:00:00", "12:00:00.1234567", 12, true },
    },
    {
        name = "timestamp",
        column = column("timestamp"),
        values = {
            datetime("2024-02-29T12:34:56.789Z"),
            datetime("1970-01-01T00:00:00Z"),
            datetime("1969-12-31T23:59:59.999Z"),
            datetime("2038-01-19T03:14:08Z"),
            datetime("2262-04-12T00:00:00.001Z"),
            datetime("0001-01-01T00:00:00Z"),
            datetime("9999-12-31T23:59:59.999Z"),
            datetime("2024-03-10T02:30:00Z"),
        },
        ordered = {
            datetime("0001-01-01T00:00:00Z"), datetime("1969-12-31T23:59:59.999Z"), datetime("1970-01-01T00:00:00Z"),
            datetime("2024-02-29T12:34:56Z"), datetime("2024-02-29T12:34:56.001Z"),
            datetime("9999-12-31T23:59:59.999Z"),
        },
        given = {
            { "2024-02-29T10:00:00+02:00", datetime("2024-02-29T08:00:00Z") },
            { "2024-02-29 10:00:00", datetime("2024-02-29T10:00:00Z") },
            { "2024-02-29", datetime("2024-02-29T00:00:00Z") },
        },
        wrong = { "2024-02-30T00:00:00Z", "0000-01-01", "10000-01-01", "now", "", 0, 1.5, true, {} },
    },
    {
        name = "timestamp, to the microsecond",
        column = column("timestamp"),
        values = microseconds,
        ordered = ordered_microseconds,
    },
    {
        name = "timestamp with time zone, to the microsecond",
        column = column("timestamp", nil, { useTz = true }),
        values = microseconds,
        ordered = ordered_microseconds,
    },
    {
        name = "timestamp with time zone",
        column = column("timestamp", nil, { useTz = true }),
        values = {
            datetime("2024-02-29T12:34:56.789Z"),
            datetime("1969-12-31T23:59:59.999Z"),
            datetime("0001-01-01T00:00:00Z"),
            datetime("9999-12-31T23:59:59.999Z"),
        },
        ordered = {
            datetime("0001-01-01T00:00:00Z"), datetime("1969-12-31T23:59:59.999Z"), datetime("1970-01-01T00:00:00Z"),
            datetime("2024-02-29T12:34:56Z"), datetime("2024-02-29T12:34:56.001Z"),
            datetime("9999-12-31T23:59:59.999Z"),
        },
        given = { { "2024-02-29T10:00:00-05:00", datetime("2024-02-29T15:00:00Z") } },
    },
    {
        name = "json",
        column = column("json"),
        compares = false,
        encoded = true,
        type_told = false,
        values = {
            json.object(), json.array(), { 1, 2, 3 }, { a = { b = { c = { json.array(), json.object() } } } },
            { list = json.array(), object = json.object(), none = null, yes = true, no = false },
            { max = math.maxinteger, min = math.mininteger, big = 9007199254740993 },
            { 1.0, 0.1, -0.5, 1 / 3, 1, -1 }, { decimal("18446744073709551616") },
            { ["a key with 'quotes' and \"more\""] = "ä€😀\n\t\\/", [""] = "", ["1"] = "one" },
            "text", "", 5, -0.25, true, false, math.mininteger, { "" }, { { { { {} } } } },
        },
        wrong = {
            { [1] = "a", x = "b" }, nan, { nan }, { a = { nan } }, { print }, "\xff", { "\xff" },
            { a = { b = "a\xc3" } }, { a = { ["\xff"] = 1 } },
        },
    },
    {
        name = "json, infinity",
        column = column("json"),
        compares = false,
        encoded = true,
        type_told = false,
        values = { { 0.5 } },
        wrong = { { infinity }, { a = -infinity }, infinity },
    },
    {
        name = "json, floats with an exponent",
        column = column("json"),
        compares = false,
        encoded = true,
        values = { { 1e300, 1e-300, 1e22 } },
    },
    {
        name = "uuid",
        column = column("uuid"),
        values = { "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff" },
        given = { { "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11" } },
        wrong = { "x", "", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", 5, true },
    },
    {
        name = "ulid",
        column = column("ulid"),
        values = { "00000000000000000000000000", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ" },
        given = { { "01arz3ndektsv4rrffq69g5fav", "01ARZ3NDEKTSV4RRFFQ69G5FAV" } },
        wrong = { "x", "", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "01ARZ3NDEKTSV4RRFFQ69G5FAU", 5 },
    },
    {
        name = "enum",
        column = column("enum", nil, { values = { "small", "large", "x-l", "ä 'q'", "a,b" } }),
        values = { "small", "large", "x-l", "ä 'q'", "a,b" },
        wrong = { "medium", "", "Small", "small ", 1, true },
    },
}
