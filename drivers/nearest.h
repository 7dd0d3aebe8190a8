/* SPDX-License-Identifier: MIT
**
** nearest.h - how far a name that somebody mistyped is from a known one.
*/
#ifndef EL_NEAREST_H
#define EL_NEAREST_H

#include <stddef.h>

/*
** Changes of one letter, in either case, that lead from a to b; SIZE_MAX when b has more
** than 63 bytes.
*/
size_t el_distance(const char *a, const char *b);

#endif
