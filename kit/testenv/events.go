package testenv

import "k8s.io/client-go/tools/events"

// Told takes what a recorder has been told since it was last asked: of each
// event its type, reason and note.
func Told(recorder *events.FakeRecorder) []string {
	var told []string
	for len(recorder.Events) > 0 {
		told = append(told, <-recorder.Events)
	}
	return told
}
