// Package host owns the machine that the lab itself runs on: installing
// packages, starting a Docker engine and stopping the one it started, and
// what the doctor says of this machine. What an engine is asked and how it is
// found belong to package engine; whether one answers is handed in.
//
// The lab changes a machine only where it was asked to, as root on Debian or
// Ubuntu, says beforehand what it will install, removes nothing, and never
// puts an engine beside another one.
package host
