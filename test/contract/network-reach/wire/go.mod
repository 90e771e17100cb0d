module ember.internal/wire

go 1.22
