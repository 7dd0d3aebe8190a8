-- SPDX-License-Identifier: MIT
--
-- What an engine can't do, with the reason: suite, name of the case, engine. Such a case
-- has to fail; one that passes is a failure, so that no quirk outlives its cause.

---@type table<string, table<string, table<string, string>>>
return {
    queries = {
        ["NULL sorts first, and last downwards"] = {
            pg = "PostgreSQL sorts NULL after everything; NULLS FIRST would cost it the index",
        },
    },
}
