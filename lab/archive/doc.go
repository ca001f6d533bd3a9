// Package archive reads results/ as a whole: it finds runs by id, folder or age, keeps the link to
// the newest one (results/latest, a relative link), and selects the earlier runs that are evidence
// for a plan or a comparison. Package record owns the folder of one run.
package archive
