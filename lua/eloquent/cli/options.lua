-- SPDX-License-Identifier: MIT
--
-- The flags that hold for the whole process, as the command line set them.

---@class eloquent.cli.Options
---@field trace boolean   show the Lua stack of an error
---@field quiet boolean   no notes on standard error
---@field verbose boolean more notes on standard error
return { trace = false, quiet = false, verbose = false }
