-- SPDX-License-Identifier: MIT
--
-- Metatable of an error that the command line itself raises.  Fields: `message`, `hint`
-- (what to do, may be absent), `status` (of the process, 1 when absent).

local Failure = { __name = "eloquent.cli.Failure" }

function Failure.__tostring(failure)
    return failure.message
end

return Failure
