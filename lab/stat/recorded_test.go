package stat_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"runtimelab/lab/stat"
)

func TestRecordingsSavedByOtherToolsReadTheSame(t *testing.T) {
	file := func(head, row string) string {
		text := head
		for block := 1; block <= 12; block++ {
			text += fmt.Sprintf(row, block)
		}
		return text
	}
	labFile := file("# of one, and another: 2 runs\npair,block,a,b\n", "1,%d,1009.699,998.815\n")
	want, err := stat.ReadRecording(strings.NewReader(labFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"CR LF":             strings.ReplaceAll(labFile, "\n", "\r\n"),
		"a byte order mark": "\ufeff" + labFile,
		"a spreadsheet": file("\ufeff\"# of one, and another: 2 runs\";;;\r\npair;block;a;b\r\n",
			"1;%d;1009,699;998,815\r\n") + ";;;\r\n",
		"row numbers":  file("# of one, and another: 2 runs\n,pair,block,a,b\n", "7,1,%d,1009.699,998.815\n"),
		"an empty row": labFile + ",,,\n",
		"quotes": file("# of one, and another: 2 runs\n\"pair\",\"block\",\"a\",\"b\"\n",
			"\"1\",\"%d\",\"1009.699\",\"998.815\"\n"),
		"all its digits": file("# of one, and another: 2 runs\npair,block,a,b\n", "1,%d,1.009699e3,9.98815E+02\n"),
	} {
		got, err := stat.ReadRecording(strings.NewReader(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, error %v", name, got, err)
		}
	}
	for want, text := range map[string]string{
		"line 2: the mark in 998,815 may separate thousands or decimals": file(
			"pair;block;a;b\n", "1;%d;998,815;998,815\n"),
		"line 3: the comma in 1,009 may separate thousands or decimals": file(
			"# at night\npair,block,a,b\n", "1,%d,\"1,009\",998\n"),
		"line 2: 1.01E+03 has lost digits":   file("pair,block,a,b\n", "1,%d,1.01E+03,998\n"),
		"line 1: the file is text in UTF-16": "\xff\xfep\x00a\x00i\x00r\x00",
		"line 14: a second header": file("pair,block,a,b\n", "1,%d,1,2\n") +
			file("pair,block,a,b\n", "%d\n"),
		"line 14: ": strings.TrimPrefix(labFile+labFile, "# of one, and another: 2 runs\n"),
		"line 15: ": labFile + labFile,
	} {
		_, err := stat.ReadRecording(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: error %v, want %q", text, err, want)
		}
	}
}
