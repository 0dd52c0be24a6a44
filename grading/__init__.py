"""The grader of the course assignments. It needs Linux, and stands outside the package that students install.

    python -m grading release soft_mask --variant scaled      what students get
    python -m grading grade soft_mask submitted marks         what they get back
    python -m grading prove                                   every claim of the instructor's page, again

An answer runs in a process of its own, behind walls (``walls``), sees inputs and hands back arrays (``child``). What is
right is decided here, by a process that runs no student's code. So the solutions and the hidden tests, which are this
folder and ``notebooks/assignments/source``, never meet an answer; in the wheel they would lie on every student's disk.
"""
