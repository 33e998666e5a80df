module runlet/layers/gitlab-runner

go 1.21

require gitlab.com/gitlab-org/gitlab-runner v1.11.1-0.20200110014830-8e5683f82927

replace github.com/docker/docker => github.com/docker/engine v1.4.2-0.20190822180741-9552f2b2fdde

replace github.com/minio/go-homedir => gitlab.com/steveazz/go-homedir v0.0.0-20190425115525-017018655514
