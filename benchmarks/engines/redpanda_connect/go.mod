module engines/redpanda_connect

go 1.26

require github.com/redpanda-data/connect/v4 v4.60.0
