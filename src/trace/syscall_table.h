/* SPDX-License-Identifier: MIT */
/* All system calls of Linux on x86-64, one a line: what the recorder does about each. The plugin, the recorder's last
 * words and docs/recording.md come from here.
 *
 *     X(number, name, class, trust, host, "note")
 *
 * class   MODELLED  has an event that a replay acts on
 *         COUNTED   is in the trace with its arguments and result
 *         REFUSED   the program gets an error that Linux would not give
 *         NONE      Linux has no such call any more
 * trust   SAME      comes out as on Linux; DIFFERS: it does not; UNKNOWN: nobody has looked closely enough. Calls of
 * the two latter are counted and told at the end of a recording host    the emulator's word is replaced by the
 * kernel's: NEVER, ALWAYS, when it was REFUSED (ENOSYS, or EFAULT because the emulator does not know the buffer), or
 * also when the emulator gave the error named here, as it does for what it has never heard of */
#ifndef VMSIM__SYSCALL_TABLE_H
#define VMSIM__SYSCALL_TABLE_H
#include <stdint.h>

enum { VMSIM__SYSCALLS = 512 }; /* numbers end below */

enum vmsim__syscall_host {
    VMSIM__HOST_NEVER,
    VMSIM__HOST_REFUSED,
    VMSIM__HOST_ALWAYS,
    VMSIM__HOST_ENOTTY,
    VMSIM__HOST_ENOPROTOOPT,
    VMSIM__HOST_EINVAL,
};

/* clang-format off */
#define VMSIM__SYSCALL_TABLE(X) \
    X(0, read, MODELLED, SAME, REFUSED, "") \
    X(1, write, MODELLED, SAME, REFUSED, "") \
    X(2, open, MODELLED, SAME, REFUSED, "") \
    X(3, close, MODELLED, SAME, REFUSED, "") \
    X(4, stat, COUNTED, SAME, REFUSED, "") \
    X(5, fstat, COUNTED, SAME, REFUSED, "") \
    X(6, lstat, COUNTED, SAME, REFUSED, "") \
    X(7, poll, COUNTED, SAME, REFUSED, "") \
    X(8, lseek, COUNTED, SAME, REFUSED, "") \
    X(9, mmap, MODELLED, SAME, NEVER, "") \
    X(10, mprotect, MODELLED, SAME, NEVER, "") \
    X(11, munmap, MODELLED, SAME, NEVER, "") \
    X(12, brk, MODELLED, SAME, NEVER, "") \
    X(13, rt_sigaction, COUNTED, SAME, NEVER, "") \
    X(14, rt_sigprocmask, COUNTED, SAME, NEVER, "") \
    X(15, rt_sigreturn, COUNTED, SAME, NEVER, "") \
    X(16, ioctl, COUNTED, SAME, ENOTTY, "") \
    X(17, pread64, MODELLED, SAME, REFUSED, "") \
    X(18, pwrite64, MODELLED, SAME, REFUSED, "") \
    X(19, readv, MODELLED, SAME, REFUSED, "") \
    X(20, writev, MODELLED, SAME, REFUSED, "") \
    X(21, access, COUNTED, SAME, REFUSED, "") \
    X(22, pipe, COUNTED, SAME, REFUSED, "") \
    X(23, select, COUNTED, SAME, REFUSED, "") \
    X(24, sched_yield, COUNTED, SAME, REFUSED, "") \
    X(25, mremap, MODELLED, SAME, NEVER, "") \
    X(26, msync, MODELLED, SAME, REFUSED, "") \
    X(27, mincore, COUNTED, SAME, REFUSED, "") \
    X(28, madvise, MODELLED, SAME, ALWAYS, "") \
    X(29, shmget, COUNTED, SAME, REFUSED, "") \
    X(30, shmat, MODELLED, SAME, REFUSED, "") \
    X(31, shmctl, MODELLED, SAME, REFUSED, "") \
    X(32, dup, COUNTED, SAME, REFUSED, "") \
    X(33, dup2, COUNTED, SAME, REFUSED, "") \
    X(34, pause, COUNTED, SAME, REFUSED, "") \
    X(35, nanosleep, COUNTED, SAME, REFUSED, "") \
    X(36, getitimer, COUNTED, SAME, REFUSED, "") \
    X(37, alarm, COUNTED, SAME, REFUSED, "") \
    X(38, setitimer, COUNTED, SAME, REFUSED, "") \
    X(39, getpid, COUNTED, SAME, REFUSED, "") \
    X(40, sendfile, MODELLED, SAME, REFUSED, "") \
    X(41, socket, COUNTED, SAME, REFUSED, "") \
    X(42, connect, COUNTED, SAME, REFUSED, "") \
    X(43, accept, COUNTED, SAME, REFUSED, "") \
    X(44, sendto, COUNTED, SAME, REFUSED, "") \
    X(45, recvfrom, COUNTED, SAME, REFUSED, "") \
    X(46, sendmsg, COUNTED, SAME, REFUSED, "") \
    X(47, recvmsg, COUNTED, SAME, REFUSED, "") \
    X(48, shutdown, COUNTED, SAME, REFUSED, "") \
    X(49, bind, COUNTED, SAME, REFUSED, "") \
    X(50, listen, COUNTED, SAME, REFUSED, "") \
    X(51, getsockname, COUNTED, SAME, REFUSED, "") \
    X(52, getpeername, COUNTED, SAME, REFUSED, "") \
    X(53, socketpair, COUNTED, SAME, REFUSED, "") \
    X(54, setsockopt, COUNTED, SAME, ENOPROTOOPT, "") \
    X(55, getsockopt, COUNTED, SAME, ENOPROTOOPT, "") \
    X(56, clone, MODELLED, SAME, NEVER, "refused (EINVAL) for a child that shares memory and is neither thread nor vforked") \
    X(57, fork, MODELLED, SAME, NEVER, "") \
    X(58, vfork, MODELLED, SAME, NEVER, "the child is a process of its own; what it stores is carried over") \
    X(59, execve, MODELLED, SAME, NEVER, "") \
    X(60, exit, MODELLED, SAME, NEVER, "") \
    X(61, wait4, MODELLED, SAME, NEVER, "") \
    X(62, kill, MODELLED, SAME, REFUSED, "") \
    X(63, uname, COUNTED, SAME, REFUSED, "") \
    X(64, semget, COUNTED, SAME, REFUSED, "") \
    X(65, semop, COUNTED, SAME, REFUSED, "") \
    X(66, semctl, COUNTED, SAME, REFUSED, "") \
    X(67, shmdt, MODELLED, SAME, REFUSED, "") \
    X(68, msgget, COUNTED, SAME, REFUSED, "") \
    X(69, msgsnd, COUNTED, SAME, REFUSED, "") \
    X(70, msgrcv, COUNTED, SAME, REFUSED, "") \
    X(71, msgctl, COUNTED, SAME, REFUSED, "") \
    X(72, fcntl, COUNTED, SAME, EINVAL, "") \
    X(73, flock, COUNTED, SAME, REFUSED, "") \
    X(74, fsync, MODELLED, SAME, REFUSED, "") \
    X(75, fdatasync, MODELLED, SAME, REFUSED, "") \
    X(76, truncate, MODELLED, SAME, REFUSED, "") \
    X(77, ftruncate, MODELLED, SAME, REFUSED, "") \
    X(78, getdents, COUNTED, SAME, REFUSED, "") \
    X(79, getcwd, COUNTED, SAME, REFUSED, "") \
    X(80, chdir, COUNTED, SAME, REFUSED, "") \
    X(81, fchdir, COUNTED, SAME, REFUSED, "") \
    X(82, rename, MODELLED, SAME, REFUSED, "") \
    X(83, mkdir, COUNTED, SAME, REFUSED, "") \
    X(84, rmdir, COUNTED, SAME, REFUSED, "") \
    X(85, creat, MODELLED, SAME, REFUSED, "") \
    X(86, link, COUNTED, SAME, REFUSED, "") \
    X(87, unlink, MODELLED, SAME, REFUSED, "") \
    X(88, symlink, COUNTED, SAME, REFUSED, "") \
    X(89, readlink, COUNTED, SAME, REFUSED, "") \
    X(90, chmod, COUNTED, SAME, REFUSED, "") \
    X(91, fchmod, COUNTED, SAME, REFUSED, "") \
    X(92, chown, COUNTED, SAME, REFUSED, "") \
    X(93, fchown, COUNTED, SAME, REFUSED, "") \
    X(94, lchown, COUNTED, SAME, REFUSED, "") \
    X(95, umask, COUNTED, SAME, REFUSED, "") \
    X(96, gettimeofday, MODELLED, SAME, REFUSED, "") \
    X(97, getrlimit, COUNTED, SAME, REFUSED, "") \
    X(98, getrusage, COUNTED, SAME, REFUSED, "") \
    X(99, sysinfo, COUNTED, SAME, REFUSED, "") \
    X(100, times, COUNTED, SAME, REFUSED, "") \
    X(101, ptrace, REFUSED, DIFFERS, NEVER, "refused with ENOSYS: the traced would be the emulator") \
    X(102, getuid, COUNTED, SAME, REFUSED, "") \
    X(103, syslog, COUNTED, SAME, REFUSED, "") \
    X(104, getgid, COUNTED, SAME, REFUSED, "") \
    X(105, setuid, COUNTED, SAME, REFUSED, "") \
    X(106, setgid, COUNTED, SAME, REFUSED, "") \
    X(107, geteuid, COUNTED, SAME, REFUSED, "") \
    X(108, getegid, COUNTED, SAME, REFUSED, "") \
    X(109, setpgid, COUNTED, SAME, REFUSED, "") \
    X(110, getppid, COUNTED, SAME, REFUSED, "") \
    X(111, getpgrp, COUNTED, SAME, REFUSED, "") \
    X(112, setsid, COUNTED, SAME, REFUSED, "") \
    X(113, setreuid, COUNTED, SAME, REFUSED, "") \
    X(114, setregid, COUNTED, SAME, REFUSED, "") \
    X(115, getgroups, COUNTED, SAME, REFUSED, "") \
    X(116, setgroups, COUNTED, SAME, REFUSED, "") \
    X(117, setresuid, COUNTED, SAME, REFUSED, "") \
    X(118, getresuid, COUNTED, SAME, REFUSED, "") \
    X(119, setresgid, COUNTED, SAME, REFUSED, "") \
    X(120, getresgid, COUNTED, SAME, REFUSED, "") \
    X(121, getpgid, COUNTED, SAME, REFUSED, "") \
    X(122, setfsuid, COUNTED, SAME, REFUSED, "") \
    X(123, setfsgid, COUNTED, SAME, REFUSED, "") \
    X(124, getsid, COUNTED, SAME, REFUSED, "") \
    X(125, capget, COUNTED, SAME, REFUSED, "") \
    X(126, capset, COUNTED, SAME, REFUSED, "") \
    X(127, rt_sigpending, COUNTED, SAME, REFUSED, "") \
    X(128, rt_sigtimedwait, COUNTED, SAME, REFUSED, "") \
    X(129, rt_sigqueueinfo, COUNTED, SAME, REFUSED, "") \
    X(130, rt_sigsuspend, COUNTED, SAME, NEVER, "") \
    X(131, sigaltstack, COUNTED, SAME, NEVER, "") \
    X(132, utime, COUNTED, SAME, REFUSED, "") \
    X(133, mknod, COUNTED, SAME, REFUSED, "") \
    X(134, uselib, NONE, SAME, NEVER, "Linux has none, either") \
    X(135, personality, COUNTED, SAME, REFUSED, "") \
    X(136, ustat, NONE, SAME, NEVER, "Linux has none, either") \
    X(137, statfs, COUNTED, SAME, REFUSED, "") \
    X(138, fstatfs, COUNTED, SAME, REFUSED, "") \
    X(139, sysfs, NONE, SAME, NEVER, "Linux has none, either") \
    X(140, getpriority, COUNTED, SAME, REFUSED, "") \
    X(141, setpriority, COUNTED, SAME, REFUSED, "") \
    X(142, sched_setparam, COUNTED, SAME, REFUSED, "") \
    X(143, sched_getparam, COUNTED, SAME, REFUSED, "") \
    X(144, sched_setscheduler, COUNTED, SAME, REFUSED, "") \
    X(145, sched_getscheduler, COUNTED, SAME, REFUSED, "") \
    X(146, sched_get_priority_max, COUNTED, SAME, REFUSED, "") \
    X(147, sched_get_priority_min, COUNTED, SAME, REFUSED, "") \
    X(148, sched_rr_get_interval, COUNTED, SAME, REFUSED, "") \
    X(149, mlock, MODELLED, SAME, REFUSED, "") \
    X(150, munlock, MODELLED, SAME, REFUSED, "") \
    X(151, mlockall, MODELLED, UNKNOWN, REFUSED, "the emulator is locked, too, and counts against the limit") \
    X(152, munlockall, MODELLED, SAME, REFUSED, "") \
    X(153, vhangup, COUNTED, SAME, REFUSED, "") \
    X(154, modify_ldt, COUNTED, UNKNOWN, NEVER, "") \
    X(155, pivot_root, COUNTED, UNKNOWN, REFUSED, "programs executed behind it cannot be recorded") \
    X(156, _sysctl, NONE, SAME, NEVER, "Linux has none, either") \
    X(157, prctl, MODELLED, SAME, REFUSED, "") \
    X(158, arch_prctl, COUNTED, SAME, NEVER, "") \
    X(159, adjtimex, COUNTED, SAME, REFUSED, "") \
    X(160, setrlimit, MODELLED, SAME, NEVER, "limits of memory are kept for the program, not for the emulator") \
    X(161, chroot, COUNTED, UNKNOWN, REFUSED, "programs executed behind it cannot be recorded") \
    X(162, sync, COUNTED, SAME, REFUSED, "") \
    X(163, acct, COUNTED, SAME, REFUSED, "") \
    X(164, settimeofday, COUNTED, SAME, REFUSED, "") \
    X(165, mount, COUNTED, SAME, REFUSED, "") \
    X(166, umount2, COUNTED, SAME, REFUSED, "") \
    X(167, swapon, COUNTED, SAME, REFUSED, "") \
    X(168, swapoff, COUNTED, SAME, REFUSED, "") \
    X(169, reboot, COUNTED, SAME, REFUSED, "") \
    X(170, sethostname, COUNTED, SAME, REFUSED, "") \
    X(171, setdomainname, COUNTED, SAME, REFUSED, "") \
    X(172, iopl, COUNTED, UNKNOWN, REFUSED, "") \
    X(173, ioperm, COUNTED, UNKNOWN, REFUSED, "") \
    X(174, create_module, NONE, SAME, NEVER, "Linux has none, either") \
    X(175, init_module, COUNTED, SAME, REFUSED, "") \
    X(176, delete_module, COUNTED, SAME, REFUSED, "") \
    X(177, get_kernel_syms, NONE, SAME, NEVER, "Linux has none, either") \
    X(178, query_module, NONE, SAME, NEVER, "Linux has none, either") \
    X(179, quotactl, COUNTED, SAME, REFUSED, "") \
    X(180, nfsservctl, NONE, SAME, NEVER, "Linux has none, either") \
    X(181, getpmsg, NONE, SAME, NEVER, "Linux has none, either") \
    X(182, putpmsg, NONE, SAME, NEVER, "Linux has none, either") \
    X(183, afs_syscall, NONE, SAME, NEVER, "Linux has none, either") \
    X(184, tuxcall, NONE, SAME, NEVER, "Linux has none, either") \
    X(185, security, NONE, SAME, NEVER, "Linux has none, either") \
    X(186, gettid, COUNTED, SAME, REFUSED, "") \
    X(187, readahead, COUNTED, SAME, REFUSED, "") \
    X(188, setxattr, COUNTED, SAME, REFUSED, "") \
    X(189, lsetxattr, COUNTED, SAME, REFUSED, "") \
    X(190, fsetxattr, COUNTED, SAME, REFUSED, "") \
    X(191, getxattr, COUNTED, SAME, REFUSED, "") \
    X(192, lgetxattr, COUNTED, SAME, REFUSED, "") \
    X(193, fgetxattr, COUNTED, SAME, REFUSED, "") \
    X(194, listxattr, COUNTED, SAME, REFUSED, "") \
    X(195, llistxattr, COUNTED, SAME, REFUSED, "") \
    X(196, flistxattr, COUNTED, SAME, REFUSED, "") \
    X(197, removexattr, COUNTED, SAME, REFUSED, "") \
    X(198, lremovexattr, COUNTED, SAME, REFUSED, "") \
    X(199, fremovexattr, COUNTED, SAME, REFUSED, "") \
    X(200, tkill, MODELLED, SAME, REFUSED, "") \
    X(201, time, MODELLED, SAME, REFUSED, "") \
    X(202, futex, COUNTED, SAME, REFUSED, "") \
    X(203, sched_setaffinity, COUNTED, SAME, REFUSED, "") \
    X(204, sched_getaffinity, COUNTED, SAME, REFUSED, "") \
    X(205, set_thread_area, NONE, SAME, NEVER, "Linux has none, either") \
    X(206, io_setup, COUNTED, UNKNOWN, REFUSED, "") \
    X(207, io_destroy, COUNTED, SAME, REFUSED, "") \
    X(208, io_getevents, COUNTED, UNKNOWN, REFUSED, "") \
    X(209, io_submit, COUNTED, UNKNOWN, REFUSED, "what it reads and writes is not in the trace") \
    X(210, io_cancel, COUNTED, SAME, REFUSED, "") \
    X(211, get_thread_area, NONE, SAME, NEVER, "Linux has none, either") \
    X(212, lookup_dcookie, NONE, SAME, NEVER, "Linux has none, either") \
    X(213, epoll_create, COUNTED, SAME, REFUSED, "") \
    X(214, epoll_ctl_old, NONE, SAME, NEVER, "Linux has none, either") \
    X(215, epoll_wait_old, NONE, SAME, NEVER, "Linux has none, either") \
    X(216, remap_file_pages, COUNTED, UNKNOWN, REFUSED, "not in the trace") \
    X(217, getdents64, COUNTED, SAME, REFUSED, "") \
    X(218, set_tid_address, COUNTED, SAME, NEVER, "") \
    X(219, restart_syscall, COUNTED, SAME, NEVER, "") \
    X(220, semtimedop, COUNTED, SAME, REFUSED, "") \
    X(221, fadvise64, MODELLED, SAME, REFUSED, "") \
    X(222, timer_create, COUNTED, SAME, REFUSED, "") \
    X(223, timer_settime, COUNTED, SAME, REFUSED, "") \
    X(224, timer_gettime, COUNTED, SAME, REFUSED, "") \
    X(225, timer_getoverrun, COUNTED, SAME, REFUSED, "") \
    X(226, timer_delete, COUNTED, SAME, REFUSED, "") \
    X(227, clock_settime, COUNTED, SAME, REFUSED, "") \
    X(228, clock_gettime, MODELLED, SAME, REFUSED, "") \
    X(229, clock_getres, COUNTED, SAME, REFUSED, "") \
    X(230, clock_nanosleep, COUNTED, SAME, REFUSED, "") \
    X(231, exit_group, MODELLED, SAME, NEVER, "") \
    X(232, epoll_wait, COUNTED, SAME, REFUSED, "") \
    X(233, epoll_ctl, COUNTED, SAME, REFUSED, "") \
    X(234, tgkill, MODELLED, SAME, REFUSED, "") \
    X(235, utimes, COUNTED, SAME, REFUSED, "") \
    X(236, vserver, NONE, SAME, NEVER, "Linux has none, either") \
    X(237, mbind, COUNTED, SAME, REFUSED, "") \
    X(238, set_mempolicy, COUNTED, SAME, REFUSED, "") \
    X(239, get_mempolicy, COUNTED, SAME, REFUSED, "") \
    X(240, mq_open, COUNTED, SAME, REFUSED, "") \
    X(241, mq_unlink, COUNTED, SAME, REFUSED, "") \
    X(242, mq_timedsend, COUNTED, SAME, REFUSED, "") \
    X(243, mq_timedreceive, COUNTED, SAME, REFUSED, "") \
    X(244, mq_notify, COUNTED, SAME, REFUSED, "") \
    X(245, mq_getsetattr, COUNTED, SAME, REFUSED, "") \
    X(246, kexec_load, COUNTED, SAME, REFUSED, "") \
    X(247, waitid, COUNTED, SAME, REFUSED, "") \
    X(248, add_key, COUNTED, SAME, REFUSED, "") \
    X(249, request_key, COUNTED, SAME, REFUSED, "") \
    X(250, keyctl, COUNTED, SAME, REFUSED, "") \
    X(251, ioprio_set, COUNTED, SAME, REFUSED, "") \
    X(252, ioprio_get, COUNTED, SAME, REFUSED, "") \
    X(253, inotify_init, COUNTED, SAME, REFUSED, "") \
    X(254, inotify_add_watch, COUNTED, SAME, REFUSED, "") \
    X(255, inotify_rm_watch, COUNTED, SAME, REFUSED, "") \
    X(256, migrate_pages, COUNTED, SAME, REFUSED, "") \
    X(257, openat, MODELLED, SAME, REFUSED, "") \
    X(258, mkdirat, COUNTED, SAME, REFUSED, "") \
    X(259, mknodat, COUNTED, SAME, REFUSED, "") \
    X(260, fchownat, COUNTED, SAME, REFUSED, "") \
    X(261, futimesat, COUNTED, SAME, REFUSED, "") \
    X(262, newfstatat, COUNTED, SAME, REFUSED, "") \
    X(263, unlinkat, MODELLED, SAME, REFUSED, "") \
    X(264, renameat, MODELLED, SAME, REFUSED, "") \
    X(265, linkat, COUNTED, SAME, REFUSED, "") \
    X(266, symlinkat, COUNTED, SAME, REFUSED, "") \
    X(267, readlinkat, COUNTED, SAME, REFUSED, "") \
    X(268, fchmodat, COUNTED, SAME, REFUSED, "") \
    X(269, faccessat, COUNTED, SAME, REFUSED, "") \
    X(270, pselect6, COUNTED, SAME, REFUSED, "") \
    X(271, ppoll, COUNTED, SAME, REFUSED, "") \
    X(272, unshare, COUNTED, SAME, REFUSED, "") \
    X(273, set_robust_list, REFUSED, SAME, NEVER, "refused with ENOSYS: callers do without") \
    X(274, get_robust_list, REFUSED, SAME, NEVER, "refused with ENOSYS") \
    X(275, splice, MODELLED, SAME, REFUSED, "") \
    X(276, tee, COUNTED, UNKNOWN, REFUSED, "") \
    X(277, sync_file_range, MODELLED, SAME, REFUSED, "") \
    X(278, vmsplice, COUNTED, SAME, REFUSED, "") \
    X(279, move_pages, COUNTED, SAME, REFUSED, "") \
    X(280, utimensat, COUNTED, SAME, REFUSED, "") \
    X(281, epoll_pwait, COUNTED, SAME, REFUSED, "") \
    X(282, signalfd, COUNTED, SAME, REFUSED, "") \
    X(283, timerfd_create, COUNTED, SAME, REFUSED, "") \
    X(284, eventfd, COUNTED, SAME, REFUSED, "") \
    X(285, fallocate, MODELLED, SAME, REFUSED, "") \
    X(286, timerfd_settime, COUNTED, SAME, REFUSED, "") \
    X(287, timerfd_gettime, COUNTED, SAME, REFUSED, "") \
    X(288, accept4, COUNTED, SAME, REFUSED, "") \
    X(289, signalfd4, COUNTED, SAME, REFUSED, "") \
    X(290, eventfd2, COUNTED, SAME, REFUSED, "") \
    X(291, epoll_create1, COUNTED, SAME, REFUSED, "") \
    X(292, dup3, COUNTED, SAME, REFUSED, "") \
    X(293, pipe2, COUNTED, SAME, REFUSED, "") \
    X(294, inotify_init1, COUNTED, SAME, REFUSED, "") \
    X(295, preadv, MODELLED, SAME, REFUSED, "") \
    X(296, pwritev, MODELLED, SAME, REFUSED, "") \
    X(297, rt_tgsigqueueinfo, COUNTED, SAME, REFUSED, "") \
    X(298, perf_event_open, REFUSED, DIFFERS, NEVER, "refused with ENOSYS: it would count the emulator") \
    X(299, recvmmsg, COUNTED, UNKNOWN, REFUSED, "what it reads is not in the trace") \
    X(300, fanotify_init, COUNTED, SAME, REFUSED, "") \
    X(301, fanotify_mark, COUNTED, SAME, REFUSED, "") \
    X(302, prlimit64, MODELLED, SAME, REFUSED, "limits of memory are kept for the program, not for the emulator") \
    X(303, name_to_handle_at, COUNTED, SAME, REFUSED, "") \
    X(304, open_by_handle_at, COUNTED, SAME, REFUSED, "") \
    X(305, clock_adjtime, COUNTED, SAME, REFUSED, "") \
    X(306, syncfs, COUNTED, SAME, REFUSED, "") \
    X(307, sendmmsg, COUNTED, SAME, REFUSED, "") \
    X(308, setns, COUNTED, SAME, REFUSED, "") \
    X(309, getcpu, MODELLED, SAME, REFUSED, "") \
    X(310, process_vm_readv, COUNTED, SAME, REFUSED, "") \
    X(311, process_vm_writev, COUNTED, UNKNOWN, REFUSED, "what another process gets is not in the trace") \
    X(312, kcmp, COUNTED, SAME, REFUSED, "") \
    X(313, finit_module, COUNTED, SAME, REFUSED, "") \
    X(314, sched_setattr, COUNTED, SAME, REFUSED, "") \
    X(315, sched_getattr, COUNTED, SAME, REFUSED, "") \
    X(316, renameat2, MODELLED, SAME, REFUSED, "") \
    X(317, seccomp, REFUSED, DIFFERS, NEVER, "refused with ENOSYS: a filter would end the emulator") \
    X(318, getrandom, COUNTED, SAME, REFUSED, "") \
    X(319, memfd_create, MODELLED, SAME, REFUSED, "") \
    X(320, kexec_file_load, COUNTED, SAME, REFUSED, "") \
    X(321, bpf, COUNTED, SAME, REFUSED, "") \
    X(322, execveat, MODELLED, SAME, NEVER, "") \
    X(323, userfaultfd, REFUSED, DIFFERS, NEVER, "refused with ENOSYS") \
    X(324, membarrier, COUNTED, SAME, REFUSED, "") \
    X(325, mlock2, MODELLED, SAME, REFUSED, "") \
    X(326, copy_file_range, MODELLED, SAME, REFUSED, "") \
    X(327, preadv2, MODELLED, SAME, REFUSED, "") \
    X(328, pwritev2, MODELLED, SAME, REFUSED, "") \
    X(329, pkey_mprotect, MODELLED, SAME, REFUSED, "") \
    X(330, pkey_alloc, COUNTED, UNKNOWN, REFUSED, "the emulator does not check keys") \
    X(331, pkey_free, COUNTED, SAME, REFUSED, "") \
    X(332, statx, COUNTED, SAME, REFUSED, "") \
    X(333, io_pgetevents, COUNTED, UNKNOWN, REFUSED, "") \
    X(334, rseq, MODELLED, SAME, NEVER, "refused with ENOSYS: callers do without; replays register it") \
    X(424, pidfd_send_signal, COUNTED, SAME, REFUSED, "") \
    X(425, io_uring_setup, REFUSED, DIFFERS, NEVER, "refused with ENOSYS, as where a container forbids it") \
    X(426, io_uring_enter, REFUSED, DIFFERS, NEVER, "refused with ENOSYS") \
    X(427, io_uring_register, REFUSED, DIFFERS, NEVER, "refused with ENOSYS") \
    X(428, open_tree, COUNTED, SAME, REFUSED, "") \
    X(429, move_mount, COUNTED, SAME, REFUSED, "") \
    X(430, fsopen, COUNTED, SAME, REFUSED, "") \
    X(431, fsconfig, COUNTED, SAME, REFUSED, "") \
    X(432, fsmount, COUNTED, SAME, REFUSED, "") \
    X(433, fspick, COUNTED, SAME, REFUSED, "") \
    X(434, pidfd_open, COUNTED, SAME, REFUSED, "") \
    X(435, clone3, REFUSED, SAME, NEVER, "refused with ENOSYS: callers fall back to clone") \
    X(436, close_range, COUNTED, SAME, REFUSED, "") \
    X(437, openat2, MODELLED, SAME, REFUSED, "") \
    X(438, pidfd_getfd, COUNTED, SAME, REFUSED, "") \
    X(439, faccessat2, COUNTED, SAME, REFUSED, "") \
    X(440, process_madvise, COUNTED, UNKNOWN, REFUSED, "what it does to another process is not in the trace") \
    X(441, epoll_pwait2, COUNTED, SAME, REFUSED, "") \
    X(442, mount_setattr, COUNTED, SAME, REFUSED, "") \
    X(443, quotactl_fd, COUNTED, SAME, REFUSED, "") \
    X(444, landlock_create_ruleset, COUNTED, SAME, REFUSED, "") \
    X(445, landlock_add_rule, COUNTED, SAME, REFUSED, "") \
    X(446, landlock_restrict_self, COUNTED, UNKNOWN, REFUSED, "programs executed behind it may not be recorded") \
    X(447, memfd_secret, COUNTED, UNKNOWN, REFUSED, "") \
    X(448, process_mrelease, COUNTED, SAME, REFUSED, "") \
    X(449, futex_waitv, COUNTED, SAME, REFUSED, "") \
    X(450, set_mempolicy_home_node, COUNTED, SAME, REFUSED, "") \
    X(451, cachestat, COUNTED, SAME, REFUSED, "") \
    X(452, fchmodat2, COUNTED, SAME, REFUSED, "") \
    X(453, map_shadow_stack, REFUSED, DIFFERS, NEVER, "refused with ENOSYS") \
    X(454, futex_wake, COUNTED, SAME, REFUSED, "") \
    X(455, futex_wait, COUNTED, SAME, REFUSED, "") \
    X(456, futex_requeue, COUNTED, SAME, REFUSED, "") \
    X(457, statmount, COUNTED, SAME, REFUSED, "") \
    X(458, listmount, COUNTED, SAME, REFUSED, "") \
    X(459, lsm_get_self_attr, COUNTED, SAME, REFUSED, "") \
    X(460, lsm_set_self_attr, COUNTED, UNKNOWN, REFUSED, "") \
    X(461, lsm_list_modules, COUNTED, SAME, REFUSED, "") \
    X(462, mseal, COUNTED, UNKNOWN, REFUSED, "the emulator does not know of it") \
    X(463, setxattrat, COUNTED, SAME, REFUSED, "") \
    X(464, getxattrat, COUNTED, SAME, REFUSED, "") \
    X(465, listxattrat, COUNTED, SAME, REFUSED, "") \
    X(466, removexattrat, COUNTED, SAME, REFUSED, "") \
    X(467, open_tree_attr, COUNTED, SAME, REFUSED, "") \
    X(468, file_getattr, COUNTED, SAME, REFUSED, "") \
    X(469, file_setattr, COUNTED, SAME, REFUSED, "")
/* clang-format on */

#endif
