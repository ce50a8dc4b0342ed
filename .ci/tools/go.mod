module lodge/tools

go 1.26
