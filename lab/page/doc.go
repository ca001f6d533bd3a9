// Package page renders a report as one HTML file with charts, and comparisons of runs likewise. A
// page needs no network, no server and no script; its Content-Security-Policy allows nothing but its
// own style. Text of runs (names, logs, labels) is escaped by html/template and by package chart.
package page
