package supervise

import (
	"io"
	"os"
	"time"
)

// maxLog is the size in bytes at which a log file is moved aside, replacing the one moved before: each service keeps at
// most twice as much.
const maxLog = 8 << 20

// LogFile copies what is written into a pipe to a file that does not grow without bound.
type LogFile struct {
	path string
	in   *os.File // services inherit this end
	done chan struct{}
}

// OpenLog goes on with the log at path, or begins it.
func OpenLog(path string) (*LogFile, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	l := &LogFile{path: path, in: in, done: make(chan struct{})}
	file, size, err := l.open()
	if err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	go func() {
		defer close(l.done)
		defer out.Close()
		l.copy(file, size, out)
	}()
	return l, nil
}

// Writer is what a service, or whoever else has something to say, writes to.
func (l *LogFile) Writer() *os.File { return l.in }

// farewell is how long the end of a log is waited for.
const farewell = time.Second

// Close ends the log, which then has all that was written, unless something that a service started still holds the pipe.
func (l *LogFile) Close() error {
	err := l.in.Close()
	select {
	case <-l.done:
	case <-time.After(farewell):
	}
	return err
}

func (l *LogFile) open() (*os.File, int64, error) {
	file, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}

// copy must go on reading whatever happens, or the service blocks: what cannot be written is lost.
func (l *LogFile) copy(file *os.File, size int64, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			file.Close()
			return
		}
		if size+int64(n) > maxLog {
			_ = os.Rename(l.path, l.path+".1")
			if next, _, err := l.open(); err == nil {
				file.Close()
				file, size = next, 0
			}
		}
		_, _ = file.Write(buffer[:n])
		size += int64(n)
	}
}
