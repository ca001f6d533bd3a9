#include "textflag.h"

// func pause()
// YIELD leaves a core's other thread the units that this one has no use for.
TEXT ·pause(SB), NOSPLIT, $0-0
	MOVW $64, R0
again:
	YIELD
	SUBW $1, R0
	CBNZW R0, again
	RET
