#include "textflag.h"

// func pause()
// PAUSE leaves a core's other thread the units that this one has no use for.
TEXT ·pause(SB), NOSPLIT, $0-0
	MOVL $64, AX
again:
	PAUSE
	SUBL $1, AX
	JNZ  again
	RET
