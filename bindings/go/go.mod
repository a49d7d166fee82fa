module libotp

go 1.19
