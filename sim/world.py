"""The simulated world: an arm with a brush, a board with paper on a table, a camera above. PyBullet stays in here."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pybullet
from numpy.typing import ArrayLike, NDArray

from sim.brush import BrushProfile
from sim.camera import Frame, Pinhole, above_paper, film_view, with_painting
from sim.imperfections import Imperfections
from sim.meshes import write_smooth
from sim.painting import Image, Painting

Array = NDArray[np.float64]

RATE_HZ: Final = 240
"""Ticks of the servo loop and of the physics per second."""
SOLVER_ITERATIONS: Final = 80
CONTACT_HEIGHT_M: Final = 0.002
"""The contact force is asked for only this near to the paper [m]."""
CONTACT_DAMPING_NS_PER_M: Final = 5.0
BOARD_MARGIN_M: Final = 0.04
BOARD_THICKNESS_M: Final = 0.012
VIEW_PX: Final = (640, 480)
STILL_RAD: Final = 1e-3
"""An arm that moved less than this since the last look gives the same view of everything but the paint [rad]."""


class World:
    """An arm that paints, advanced tick by tick at `RATE_HZ`. The same calls give the same painting, bit for bit."""

    def __init__(
        self,
        urdf: str,
        joint_names: Sequence[str],
        home: ArrayLike,
        brush: BrushProfile,
        T_base_canvas: Array,
        canvas_size_m: tuple[float, float] = (0.2, 0.2),
        imperfections: Imperfections | None = None,
        seed: int = 0,
        gui: bool = False,
    ) -> None:
        """Set the scene.

        Args:
            urdf: the arm as XML text with the links `brush` and `brush_tip`.
            joint_names: the joints that move, in the order of all joint vectors.
            home: (dof,) joint positions to start from [rad].
            brush: the brush on the arm.
            T_base_canvas: (4, 4) where the planner believes the paper to be.
            canvas_size_m: width and height of the paper [m].
            imperfections: what is not ideal; nothing by default.
            seed: of the camera's noise.
            gui: show PyBullet's window and keep to real time.
        """
        self.brush = brush
        self.canvas_size_m = canvas_size_m
        self.T_base_canvas = np.array(T_base_canvas, dtype=np.float64)
        self.imperfections = imperfections or Imperfections()
        self.T_base_paper = self.imperfections.real_paper(self.T_base_canvas, canvas_size_m)
        """(4, 4) where the paper really is."""
        self.camera = above_paper(self.T_base_paper, canvas_size_m, VIEW_PX)
        """The camera above. It stands on the board: where the paper was moved, it was moved along."""
        self.max_force_n = 0.0
        self.time_s = 0.0
        self._ticks = 0
        self._noise = np.random.default_rng(seed)
        self._painting = Painting(
            canvas_size_m, brush, self.imperfections.brush_lag_m, self.imperfections.paint_length_m
        )
        self._gui = gui
        self._client = pybullet.connect(pybullet.GUI if gui else pybullet.DIRECT)
        self._call: dict[str, int] = {"physicsClientId": self._client}
        self._command = np.array(home, dtype=np.float64)
        self._build(urdf, joint_names)
        self._view: tuple[Array, Frame, NDArray[np.bool_]] | None = None
        self._texture = self._open_window() if gui else -1
        self._due_s = time.monotonic()
        self._measure()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the world; every later call but this one fails."""
        if pybullet.isConnected(**self._call):
            pybullet.disconnect(**self._call)

    def servo(self, q: ArrayLike) -> None:
        """Advance by one tick in which the motors go to joint positions (dof,) [rad]."""
        share = 1.0 / (1.0 + self.imperfections.motor_lag_s * RATE_HZ)
        self._command = self._command + share * (np.asarray(q, dtype=np.float64) - self._command)
        pybullet.setJointMotorControlArray(
            self._arm,
            self._joints,
            pybullet.POSITION_CONTROL,
            targetPositions=self._command.tolist(),
            forces=self._efforts,
            positionGains=self._gains,
            velocityGains=self._gains,
            **self._call,
        )
        pybullet.stepSimulation(**self._call)
        self._ticks += 1
        self.time_s = self._ticks / RATE_HZ
        self._measure()
        self._painting.touch(*self._on_paper.tolist())
        if self._gui:
            self._show()

    def joint_positions(self) -> Array:
        """Return the joint positions (dof,) [rad]."""
        return np.array([s[0] for s in pybullet.getJointStates(self._arm, self._joints, **self._call)])

    def joint_velocities(self) -> Array:
        """Return the joint velocities (dof,) [rad/s]."""
        return np.array([s[1] for s in pybullet.getJointStates(self._arm, self._joints, **self._call)])

    def tip_position(self) -> Array:
        """Return where the undeformed brush ends, (3,) in `base_link` [m]."""
        return self._tip_position

    def tip_pose(self) -> Array:
        """Return T_base_tip (4, 4)."""
        state = pybullet.getLinkState(self._arm, self._tip, computeForwardKinematics=1, **self._call)
        pose = np.eye(4)
        pose[:3, :3] = np.reshape(pybullet.getMatrixFromQuaternion(state[5]), (3, 3))
        pose[:3, 3] = state[4]
        return pose

    @property
    def tip_depth_m(self) -> float:
        """Depth of the undeformed brush's tip below the real paper's plane [m]; negative above it."""
        return float(self._on_paper[2])

    @property
    def tip_force_n(self) -> float:
        """Force of the paper on the tip in the last tick [N]."""
        return self._force_n

    @property
    def colour(self) -> tuple[float, float, float]:
        """RGB in [0, 1] of the paint on the brush, black at first; setting it also fills the brush anew."""
        return self._painting.colour

    @colour.setter
    def colour(self, rgb: tuple[float, float, float]) -> None:
        same = tuple(rgb) == self.colour
        self._painting.load(rgb)
        if not same:
            self._wet_bristles()

    def painting(self) -> Image:
        """Return the true painting (H, W, 3), RGB in [0, 1], row 0 the upper edge, `sim.painting.PX_PER_M` pixels/m."""
        return self._painting.image()

    def lay_paper(self, picture: Frame) -> None:
        """Lay down paper that is painted already, (H, W, 3) RGB as `painting` returned it in 8 bits.

        Raises:
            InputError: It was painted on paper of another size.
        """
        self._painting.lay(picture)

    def look(self) -> Frame:
        """Return what the camera sees, (480, 640, 3) RGB."""
        q = self.joint_positions()
        if self._view is None or np.abs(self._view[0] - q).max() > STILL_RAD:
            self._view = (q, *self._render(self.camera, shadow=False))
        _, frame, paper = self._view
        frame = with_painting(frame, paper, self._painting.picture(), self._H_image_painting(self.camera))
        if self.imperfections.camera_noise > 0:
            noise = self._noise.normal(0.0, self.imperfections.camera_noise, frame.shape)
            frame = np.clip(np.round(frame + noise), 0, 255).astype(np.uint8)
        return frame

    def film_frame(self, supersampling: int = 1) -> Frame:
        """Return a picture of the arm at work from the side, (480, 640, 3) RGB.

        Args:
            supersampling: rendered pixels per pixel along a side; 2 smooths edges and takes almost four times as long.
        """
        import cv2

        centre = self.T_base_paper @ [self.canvas_size_m[0] / 2, self.canvas_size_m[1] / 2, 0.0, 1.0]
        view = film_view(centre[:3]).finer(supersampling)
        frame, paper = self._render(view, shadow=True)
        H_image_painting = self._H_image_painting(view)
        painted = with_painting(frame, paper, self._painting.picture(), H_image_painting, shaded=True)
        return np.asarray(cv2.resize(painted, VIEW_PX, interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def _build(self, urdf: str, joint_names: Sequence[str]) -> None:
        call = self._call
        pybullet.setGravity(0.0, 0.0, -9.81, **call)
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=1.0 / RATE_HZ,
            numSolverIterations=SOLVER_ITERATIONS,
            solverResidualThreshold=0.0,
            deterministicOverlappingPairs=1,
            **call,
        )
        with tempfile.TemporaryDirectory() as folder:
            path = write_smooth(urdf, Path(folder))
            flags = pybullet.URDF_USE_INERTIA_FROM_FILE
            self._arm: int = pybullet.loadURDF(str(path), useFixedBase=True, flags=flags, **call)
        infos = [pybullet.getJointInfo(self._arm, j, **call) for j in range(pybullet.getNumJoints(self._arm, **call))]
        by_name = {info[1].decode(): info for info in infos}
        self._joints = [by_name[name][0] for name in joint_names]
        self._efforts = [by_name[name][10] for name in joint_names]
        self._gains = [1.0] * len(self._joints)
        self._tip = next(info[0] for info in infos if info[12].decode() == "brush_tip")
        for joint, angle in zip(self._joints, self._command.tolist(), strict=True):
            pybullet.resetJointState(self._arm, joint, angle, **call)
        # The table is in front of the arm's base and below the board.
        self._box((1.3, 1.1, 0.04), (0.33, 0.0, -0.02), (0.0, 0.0, 0.0, 1.0), (0.50, 0.53, 0.56))
        self._board = self._lay_board()
        self._paper = self._lay_paper()
        # Both bodies' springs act in series: twice the brush's stiffness on each gives the brush's stiffness.
        for body, link in ((self._arm, self._tip), (self._board, -1)):
            pybullet.changeDynamics(
                body,
                link,
                contactStiffness=2 * self.brush.stiffness_n_per_m,
                contactDamping=2 * CONTACT_DAMPING_NS_PER_M,
                lateralFriction=0.1,
                **call,
            )
        self._wet_bristles()

    def _lay_board(self) -> int:
        width, height = self.canvas_size_m
        size = (width + 2 * BOARD_MARGIN_M, height + 2 * BOARD_MARGIN_M, BOARD_THICKNESS_M)
        centre = self.T_base_paper @ [width / 2, height / 2, -BOARD_THICKNESS_M / 2, 1.0]
        turn = _quaternion(self.T_base_paper[:3, :3])
        # Drawn a hair below the paper, solid up to the paper.
        return self._box(size, centre[:3].tolist(), turn, (0.66, 0.50, 0.33), sunk_m=0.001)

    def _lay_paper(self) -> int:
        width, height = self.canvas_size_m
        visual = pybullet.createVisualShape(
            pybullet.GEOM_MESH,
            vertices=[[0.0, 0.0, 0.0], [width, 0.0, 0.0], [width, height, 0.0], [0.0, height, 0.0]],
            indices=[0, 1, 2, 0, 2, 3],
            uvs=[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]],
            normals=[[0.0, 0.0, 1.0]] * 4,
            rgbaColor=[1.0, 1.0, 1.0, 1.0],
            specularColor=[0.0, 0.0, 0.0],
            **self._call,
        )
        origin, turn = self.T_base_paper[:3, 3].tolist(), _quaternion(self.T_base_paper[:3, :3])
        paper: int = pybullet.createMultiBody(0.0, -1, visual, origin, turn, **self._call)
        return paper

    def _box(
        self,
        size_m: Sequence[float],
        position: Sequence[float],
        quaternion: Sequence[float],
        rgb: Sequence[float],
        sunk_m: float = 0.0,
    ) -> int:
        half = [side / 2 for side in size_m]
        visual = pybullet.createVisualShape(
            pybullet.GEOM_BOX,
            halfExtents=half,
            rgbaColor=[*rgb, 1.0],
            specularColor=[0.0, 0.0, 0.0],
            visualFramePosition=[0.0, 0.0, -sunk_m],
            **self._call,
        )
        shape = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=half, **self._call)
        body: int = pybullet.createMultiBody(0.0, shape, visual, list(position), list(quaternion), **self._call)
        return body

    def _measure(self) -> None:
        state = pybullet.getLinkState(self._arm, self._tip, computeForwardKinematics=1, **self._call)
        self._tip_position = np.array(state[4])
        x, y, z = (self._tip_position - self.T_base_paper[:3, 3]) @ self.T_base_paper[:3, :3]
        self._on_paper = np.array([x, y, -z])
        self._force_n = 0.0
        if z < CONTACT_HEIGHT_M:
            contacts: Sequence[Any] = pybullet.getContactPoints(self._arm, self._board, **self._call) or ()
            self._force_n = float(sum(contact[9] for contact in contacts))
            self.max_force_n = max(self.max_force_n, self._force_n)

    def _render(self, view: Pinhole, shadow: bool) -> tuple[Frame, NDArray[np.bool_]]:
        """Return the bare scene (H, W, 3) and where the paper is seen (H, W)."""
        width, height = view.size_px
        view_matrix, projection = view.opengl_matrices()
        _, _, pixels, _, bodies = pybullet.getCameraImage(
            width,
            height,
            viewMatrix=view_matrix,
            projectionMatrix=projection,
            lightDirection=[0.6, -0.5, 1.6],
            lightDistance=3.0,
            lightAmbientCoeff=0.62,
            lightDiffuseCoeff=0.42,
            lightSpecularCoeff=0.08,
            shadow=int(shadow),
            renderer=pybullet.ER_TINY_RENDERER,
            **self._call,
        )
        frame = np.array(pixels, dtype=np.uint8).reshape(height, width, 4)[..., :3].copy()
        seen = np.reshape(bodies, (height, width))
        backdrop = np.linspace(240.0, 205.0, height)[:, None] * np.array([0.97, 0.985, 1.0])
        nothing = seen < 0
        frame[nothing] = np.broadcast_to(backdrop[:, None, :], frame.shape)[nothing].astype(np.uint8)
        return frame, seen == self._paper

    def _H_image_painting(self, view: Pinhole) -> Array:
        return view.H_image_plane(self.T_base_paper) @ self._painting.H_paper_picture

    def _wet_bristles(self) -> None:
        rgba = [0.85 * channel + 0.05 for channel in self.colour]
        pybullet.changeVisualShape(self._arm, self._tip, rgbaColor=[*rgba, 1.0], **self._call)
        self._view = None

    def _open_window(self) -> int:
        """Arrange PyBullet's window, put a texture on the paper, which only the window can repaint, return its id."""
        import cv2

        pybullet.configureDebugVisualizer(pybullet.COV_ENABLE_GUI, 0, **self._call)
        pybullet.resetDebugVisualizerCamera(0.95, 65.0, -35.0, [0.35, 0.0, 0.2], **self._call)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "paper.png")
            cv2.imwrite(path, self._painting.picture())
            texture: int = pybullet.loadTexture(path, **self._call)
        pybullet.changeVisualShape(self._paper, -1, textureUniqueId=texture, **self._call)
        return texture

    def _show(self) -> None:
        """Keep PyBullet's window to real time and show it the painting now and then."""
        if self._ticks % (RATE_HZ // 4) == 0:
            picture = self._painting.picture()
            height, width = picture.shape[:2]
            pybullet.changeTexture(self._texture, picture.tobytes(), width, height, **self._call)
        now = time.monotonic()
        self._due_s = max(self._due_s + 1.0 / RATE_HZ, now)
        time.sleep(self._due_s - now)


def _quaternion(rotation: Array) -> tuple[float, ...]:
    """Return the quaternion x, y, z, w of a rotation (3, 3)."""
    import cv2

    vector = cv2.Rodrigues(rotation)[0].ravel()
    angle = float(np.linalg.norm(vector))
    axis = vector / angle if angle > 0 else np.zeros(3)
    return (*(math.sin(angle / 2) * axis).tolist(), math.cos(angle / 2))
