// Package host manages the machine that the lab runs on: installing packages, starting and stopping
// a Docker engine, and lab doctor's checks. Package engine finds engines and talks to them; callers
// pass a function that checks whether one answers.
//
// The lab changes a machine only on request, as root on Debian or Ubuntu. It lists packages before
// it installs them, removes none, and never installs an engine beside another one.
package host
