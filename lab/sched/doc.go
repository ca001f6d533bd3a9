// Package sched asks the kernel's scheduler for what an exact generator needs where it shares its CPUs:
// a short time slice for its threads, and a loop at idle priority that keeps its CPUs from halting.
package sched
