// Package chart draws figures as SVG: text stays text, and colours are CSS custom properties, so that
// one drawing is light, dark and print. gonum/plot computes scales, ticks and layout, and draws
// through Canvas.
//
// Every value of the data is one mark: an element of class "m" with its value as a tooltip. The same
// data give the same bytes. The package knows numbers and labels, no run and no file.
package chart
