package main

import (
	"io"
	"sync"

	"slipway.dev/guest/supervise"
)

// journal is what init has to say: on the console, and in a file as well once there is a disk for it.
type journal struct {
	console io.Writer

	mu    sync.Mutex
	early []byte // said before there was a file
	file  *supervise.LogFile
	ended bool
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.file != nil:
		_, _ = j.file.Writer().Write(line)
	case !j.ended:
		j.early = append(j.early, line...)
	}
	return j.console.Write(line)
}

// keep writes to the file at path from now on, beginning with what was said before.
func (j *journal) keep(path string) error {
	file, err := supervise.OpenLog(path)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	_, err = file.Writer().Write(j.early)
	j.file, j.early = file, nil
	return err
}

// end closes the file: its disk is to be unmounted.
func (j *journal) end() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended, j.early = true, nil
	if j.file == nil {
		return nil
	}
	file := j.file
	j.file = nil
	return file.Close()
}
