// SPDX-License-Identifier: GPL-2.0

#include <linux/pipe_fs_i.h>

size_t bf_helper_pipe_room(const struct pipe_inode_info *pipe)
{
	return (size_t)(pipe->max_usage - pipe_buf_usage(pipe)) << PAGE_SHIFT;
}
