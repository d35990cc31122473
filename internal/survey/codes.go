package survey

import "slices"

// Severities of a finding.
const (
	Error   = "error"   // what is learnt or measured would be wrong
	Warning = "warning" // worth a look
	Note    = "note"    // good to know
)

// A Code is a kind of finding. Codes and severities are for scripts to act on:
// they do not change.
type Code struct {
	Name     string
	Severity string
	What     string // as a heading
	Remedy   string
}

// Codes are all kinds of findings, in the order in which they are shown.
var Codes = []Code{
	{"file.unreadable", Error, "a recording cannot be read", "fetch or convert it again, or take its lines out of the manifest"},
	{"file.hash", Error, "a file is not the one whose SHA-256 the manifest gives", "fetch it again, or mend the sha256 column"},
	{"clip.range", Error, "a clip's start or end is not in its recording", "mend start and end in the manifest"},
	{"split.value", Error, "the clips cannot be divided", "give every clip a value, of split one of train, valid and test"},
	{"leak.audio", Error, "the same sound is on both sides of a split", "keep one of the clips"},
	{"leak.overlap", Error, "clips of one recording overlap across a split", "keep a recording's clips on one side"},
	{"leak.group", Error, "a group is on both sides of a split", "keep a group's clips on one side, or divide by the group: split: {by: group}"},
	{"label.untrained", Error, "a label is tested, but never learnt from", "move clips of it to the training part, or take it out"},
	{"leak.recording", Warning, "clips of one recording are on both sides of a split", "keep a recording's clips on one side"},
	{"leak.selection", Warning, "validation and test share a sound or a group", "keep them apart, or tell it with the scores"},
	{"label.untested", Warning, "a label is learnt, but never tested", "move clips of it to the test part, or know that it does not count"},
	{"label.rare", Warning, "a label has one clip", "add clips of it, or take it out"},
	{"label.missing", Warning, "a clip has no label, though others have", "label it, or take it out for probing"},
	{"label.conflict", Warning, "the same sound has different labels", "find out which is right; several labels are joined by a semicolon"},
	{"level.silent", Warning, "a clip is silent: its peak is below -80 dBFS", "take it out"},
	{"level.clipped", Warning, "a clip is clipped: 0.1 % of its samples or more are in flat tops near full scale", "record or export it again with less gain, if you can"},
	{"level.dc", Warning, "a clip has a DC offset of 0.01 or more", "take the mean out, or a high-pass at 20 Hz, where its lowest bands matter"},
	{"length.short", Warning, "a clip is shorter than 50 ms", "take it out, or mend start and end"},
	{"length.unusual", Note, "a clip is ten times shorter or longer than the median", "see that it is meant"},
	{"duplicate.audio", Note, "the same sound is there twice on one side of a split", "keep one of the clips"},
	{"rate.mixed", Note, "recordings have different sample rates", "they are resampled to sample_rate; high bands of the lower ones stay empty"},
	{"rate.low", Note, "recordings have a sample rate below the config's", "lower sample_rate, or know that their high bands stay empty"},
	{"channels.mixed", Note, "recordings have different numbers of channels", "they are mixed to mono"},
}

// code finds a code by its name.
func code(name string) Code {
	i := slices.IndexFunc(Codes, func(c Code) bool { return c.Name == name })
	if i < 0 {
		panic("survey: no code " + name)
	}
	return Codes[i]
}
