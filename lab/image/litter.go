package image

import (
	"path"
	"slices"
)

// litter lists the names of files and folders that editors and systems leave beside sources, and
// says why no image needs them. They are never part of a build context, whatever .dockerignore says.
// Otherwise "COPY *.js" would fail on an editor's lock, and content_sha256 would depend on who
// opened the folder. Patterns are those of path.Match; they apply in every folder. What the tools of
// a language leave is in lab.ImageSource.Ignore. Names that may be content are not in the list: 4913
// (Vim), *.bak, *.orig, .git. A .dockerignore can exclude them.
var litter = []struct{ pattern, reason string }{
	{".#*", "Emacs: the lock of an edited file, a dangling symbolic link"},
	{"#*#", "Emacs: an unsaved file"},
	{"*~", "Emacs, Vim, Kate and others: the version before the last save"},
	{"*.sw[nop]", "Vim and nano: the swap file or lock of an edited file"},
	{".*.sw[g-m]", "Vim: more swap files of the same file; not .swf, which is Flash"},
	{".*.kate-swp", "Kate: the swap file of an edited file"},
	{".~lock.*#", "LibreOffice: the lock of an open document"},
	{".idea", "JetBrains: the settings of a project, rewritten when it opens"},
	{".vscode", "Visual Studio Code: the settings of a folder"},

	{".DS_Store", "macOS Finder: how a folder is shown"},
	{"._*", "macOS: attributes of a file, where the file system has none (AppleDouble)"},
	{"[Tt]humbs.db", "Windows Explorer: previews"},
	{"[Dd]esktop.ini", "Windows Explorer: how a folder is shown"},
	{".nfs0*", "NFS: a deleted file that a program still has open"},
	{".fuse_hidden*", "FUSE (sshfs, NTFS): a deleted file that a program still has open"},
}

// isLitter reports whether a file or folder of this name is litter, or matches a pattern of ignore.
func isLitter(name string, ignore []string) bool {
	matches := func(pattern string) bool {
		matched, _ := path.Match(pattern, name) // the only error is a bad pattern
		return matched
	}
	return slices.ContainsFunc(ignore, matches) ||
		slices.ContainsFunc(litter, func(row struct{ pattern, reason string }) bool { return matches(row.pattern) })
}
