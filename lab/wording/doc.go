// Package wording puts the reasons, doubts and results of verdicts into plain English, for text,
// Markdown, HTML and CSV. It decides nothing: package verdict gives the data.
package wording
