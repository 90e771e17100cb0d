package saved

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxBytes of a file: far more than anything that is bounded elsewhere takes.
const maxBytes = 16 << 20

// Read fills content with what is at path. An error is fs.ErrNotExist when nothing is; fields that content has not are one too.
func Read(path string, content any) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err != nil {
		return err
	}
	if len(data) > maxBytes {
		return fmt.Errorf("larger than %d bytes", maxBytes)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(content)
}

// Write puts content at path: whole or not at all, for its owner alone. A process that is killed meanwhile leaves no more than
// one file beside it, with ".new" behind the name. Nobody else may write to the folder.
func Write(path string, content any) error {
	data, err := json.Marshal(content)
	if err != nil {
		return err
	}
	beside := path + ".new"
	if err := os.Remove(beside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(beside, path)
	}
	if err != nil {
		os.Remove(beside)
	}
	return err
}
